package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.Objects;

/**
 * A region's bytes in windows of 1 GiB, because a buffer's index is an {@code int}.
 *
 * <p>Each window has a few bytes of the next one, so that no value lies across an edge. Bounds are the window's own check, which
 * the JIT compiler knows; one more would cost a scan some per cent. All windows are of one class, that of writable direct buffers:
 * a second one would turn inlined loads into calls.
 */
final class RegionMemory {
    /** What is left after a close: no byte, and of the same class as others. */
    static final RegionMemory CLOSED = new RegionMemory(new ByteBuffer[] {ByteBuffer.allocateDirect(0)}, 0, false);

    private static final int SHIFT = 30;
    private static final int SIZE = 1 << SHIFT;
    private static final int OVERLAP = Long.BYTES - 1;

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
        MappedByteBuffer[] windows = new MappedByteBuffer[(int) Math.max(1, (pages.length + SIZE - 1) >>> SHIFT)];
        for (int i = 0; i < windows.length; i++) {
            long start = (long) i << SHIFT;
            windows[i] = pages.window(start, (int) Math.min(pages.length - start, SIZE + OVERLAP));
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
    ByteBuffer window(long offset) {
        long number = offset >>> SHIFT;
        return number == 0 ? first : windows[(int) Objects.checkIndex(number, (long) windows.length)];
    }

    ByteBuffer writable(long offset) {
        if (readOnly) {
            throw new ReadOnlyBufferException();
        }
        return window(offset);
    }

    /** The offset within its window. */
    static int index(long offset) {
        return (int) offset & SIZE - 1;
    }

    /** How many of {@code wanted} bytes from the offset on are in its window, overlap aside. */
    static int part(long offset, long wanted) {
        return (int) Math.min(wanted, SIZE - index(offset));
    }
}
