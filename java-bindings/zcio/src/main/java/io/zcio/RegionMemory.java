package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;
import java.util.Objects;

/**
 * A region's bytes in buffers, whose index is an {@code int}: one of up to 2 GiB from the start, and one for each GiB.
 *
 * <p>A loop over the first buffer compiles to what it is with a {@code MappedByteBuffer}: bounds are the buffer's own check, which
 * the JIT compiler knows, and its index is not computed. Every buffer has a few bytes more than its GiB, so that no value lies
 * across an edge. All are of one class, that of writable direct buffers: a second one would turn inlined loads into calls.
 *
 * <p>From JDK 22 on another class of this name stands in the place of this one (META-INF/versions/22).
 */
final class RegionMemory {
    /** What is left after a close: no byte, and of the same class as others. */
    static final RegionMemory CLOSED = new RegionMemory(new ByteBuffer[] {ByteBuffer.allocateDirect(0)}, 0, false);

    private static final int SHIFT = 30;
    private static final int SIZE = 1 << SHIFT;
    private static final int OVERLAP = Long.BYTES - 1;
    /** What is copied at once between regions. */
    private static final long STEP = 1 << 20;

    final long length;
    final boolean readOnly;
    private final ByteBuffer first;
    private final ByteBuffer[] windows;

    private RegionMemory(ByteBuffer[] windows, long length, boolean readOnly) {
        this.windows = windows;
        this.first = windows[0];
        this.length = length;
        this.readOnly = readOnly;
    }

    static RegionMemory of(RegionPages pages, ByteOrder order) {
        ByteBuffer[] windows = new ByteBuffer[(int) Math.max(1, (pages.length + SIZE - 1) >>> SHIFT)];
        for (int i = 0; i < windows.length; i++) {
            long start = (long) i << SHIFT;
            long size = i == 0 ? Integer.MAX_VALUE : SIZE + OVERLAP;
            windows[i] = pages.window(start, (int) Math.min(pages.length - start, size));
            windows[i].order(order);
        }
        return new RegionMemory(windows, pages.length, pages.readOnly);
    }

    RegionMemory order(ByteOrder order) {
        ByteBuffer[] others = new ByteBuffer[windows.length];
        for (int i = 0; i < windows.length; i++) {
            others[i] = windows[i].duplicate().order(order);
        }
        return new RegionMemory(others, length, readOnly);
    }

    ByteOrder order() {
        return first.order();
    }

    /** The window that has the offset. */
    private ByteBuffer window(long offset) {
        return windows[(int) Objects.checkIndex(offset >>> SHIFT, (long) windows.length)];
    }

    /** The offset within its window. */
    private static int index(long offset) {
        return (int) offset & SIZE - 1;
    }

    /** How many of {@code wanted} bytes from the offset on are in its window, overlap aside. */
    private static int part(long offset, long wanted) {
        return (int) Math.min(wanted, SIZE - index(offset));
    }

    private void requireWritable() {
        if (readOnly) {
            throw new ReadOnlyBufferException();
        }
    }

    byte get(long offset) {
        int index = (int) offset;
        if (index == offset) {
            try {
                return first.get(index);
            } catch (IndexOutOfBoundsException e) {
                // Across the first buffer's end, or not in the region.
            }
        }
        return window(offset).get(index(offset));
    }

    void put(long offset, byte value) {
        requireWritable();
        int index = (int) offset;
        if (index == offset) {
            try {
                first.put(index, value);
                return;
            } catch (IndexOutOfBoundsException e) {
                // As above.
            }
        }
        window(offset).put(index(offset), value);
    }

    short getShort(long offset) {
        int index = (int) offset;
        if (index == offset) {
            try {
                return first.getShort(index);
            } catch (IndexOutOfBoundsException e) {
                // Across the first buffer's end, or not in the region.
            }
        }
        return window(offset).getShort(index(offset));
    }

    void putShort(long offset, short value) {
        requireWritable();
        int index = (int) offset;
        if (index == offset) {
            try {
                first.putShort(index, value);
                return;
            } catch (IndexOutOfBoundsException e) {
                // As above.
            }
        }
        window(offset).putShort(index(offset), value);
    }

    int getInt(long offset) {
        int index = (int) offset;
        if (index == offset) {
            try {
                return first.getInt(index);
            } catch (IndexOutOfBoundsException e) {
                // Across the first buffer's end, or not in the region.
            }
        }
        return window(offset).getInt(index(offset));
    }

    void putInt(long offset, int value) {
        requireWritable();
        int index = (int) offset;
        if (index == offset) {
            try {
                first.putInt(index, value);
                return;
            } catch (IndexOutOfBoundsException e) {
                // As above.
            }
        }
        window(offset).putInt(index(offset), value);
    }

    long getLong(long offset) {
        int index = (int) offset;
        if (index == offset) {
            try {
                return first.getLong(index);
            } catch (IndexOutOfBoundsException e) {
                // Across the first buffer's end, or not in the region.
            }
        }
        return window(offset).getLong(index(offset));
    }

    void putLong(long offset, long value) {
        requireWritable();
        int index = (int) offset;
        if (index == offset) {
            try {
                first.putLong(index, value);
                return;
            } catch (IndexOutOfBoundsException e) {
                // As above.
            }
        }
        window(offset).putLong(index(offset), value);
    }

    void get(long offset, byte[] into, int start, int count) {
        for (int done = 0, part; done < count; done += part) {
            part = part(offset + done, count - done);
            window(offset + done).get(index(offset + done), into, start + done, part);
        }
    }

    void put(long offset, byte[] from, int start, int count) {
        requireWritable();
        for (int done = 0, part; done < count; done += part) {
            part = part(offset + done, count - done);
            window(offset + done).put(index(offset + done), from, start + done, part);
        }
    }

    /** Fills a buffer from its position on, and leaves that as it is. */
    void get(long offset, ByteBuffer into) {
        for (int done = 0, part; done < into.remaining(); done += part) {
            part = part(offset + done, into.remaining() - done);
            into.put(into.position() + done, window(offset + done), index(offset + done), part);
        }
    }

    /** Takes a buffer's bytes from its position on, and leaves that as it is. */
    void put(long offset, ByteBuffer from) {
        requireWritable();
        for (int done = 0, part; done < from.remaining(); done += part) {
            part = part(offset + done, from.remaining() - done);
            window(offset + done).put(index(offset + done), from, from.position() + done, part);
        }
    }

    /** Copies as if through a buffer in between. */
    void copyTo(long offset, RegionMemory into, long target, long count) {
        into.requireWritable();
        // Upwards in the same memory: the last bytes first, or they would be overwritten before they were read.
        boolean backwards = this == into && target > offset;
        for (long done = 0; done < count; ) {
            int part = (int) Math.min(STEP, count - done);
            long at = done;
            // Neither range may leave its window; the rest comes in the next round.
            if (backwards) {
                long end = count - done;
                part = Math.min(back(offset + end, part), back(target + end, part));
                at = end - part;
            } else {
                part = Math.min(part(offset + at, part), part(target + at, part));
            }
            into.window(target + at).put(index(target + at), window(offset + at), index(offset + at), part);
            done += part;
        }
    }

    /** How many of {@code wanted} bytes before an offset are in one window. */
    private static int back(long end, int wanted) {
        return Math.min(wanted, index(end - 1) + 1);
    }
}
