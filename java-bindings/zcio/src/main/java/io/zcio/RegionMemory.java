package io.zcio;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;
import java.util.Objects;

/**
 * A region's bytes, at {@code long} offsets.
 *
 * <p>A buffer's index is an {@code int}, and before JDK 22 a loop over {@code long} offsets that ends in one is two to four times
 * as slow as the buffer's own: the compiler does not see that the index fits and that the buffer checks it again. What it does
 * understand, from 17 on, is {@link Objects#checkIndex(long, long)} and a load from an address, so this is what a load is here. No
 * load or store goes to an address that was not checked in the same method, and the pages stay where they are until it is done.
 *
 * <p>Copies of many bytes go through buffers, one for each GiB, made when the first such copy is.
 *
 * <p>From JDK 22 on another class of this name stands in the place of this one (META-INF/versions/22).
 */
final class RegionMemory {
    /** What is left after a close: no byte. */
    static final RegionMemory CLOSED = new RegionMemory(null, 0, 0, false, ByteOrder.BIG_ENDIAN, null);

    private static final int SHIFT = 30;
    private static final int SIZE = 1 << SHIFT;
    /** What is copied at once between regions. */
    private static final long STEP = 1 << 20;

    final long length;
    final boolean readOnly;
    /** Keeps the claim on the addresses. */
    private final RegionPages pages;
    private final long address;
    private final ByteOrder order;
    /** The only thread that has used it so far, or null. */
    private final Thread user;
    /** Whether the bytes of a value have to be turned round. */
    private final boolean swap;
    /** How many places there are for a value of two, four and eight bytes. */
    private final long shorts;
    private final long ints;
    private final long longs;
    /** Volatile, because a buffer must be complete before another thread sees it. */
    private volatile ByteBuffer[] windows;

    private RegionMemory(RegionPages pages, long address, long length, boolean readOnly, ByteOrder order, Thread user) {
        this.pages = pages;
        this.address = address;
        this.length = length;
        this.readOnly = readOnly;
        this.order = order;
        this.user = user;
        this.swap = order != ByteOrder.nativeOrder();
        this.shorts = Math.max(0, length - Short.BYTES + 1);
        this.ints = Math.max(0, length - Integer.BYTES + 1);
        this.longs = Math.max(0, length - Long.BYTES + 1);
    }

    /** For the accesses of one thread; of all threads if that is null. */
    static RegionMemory of(RegionPages pages, ByteOrder order, Thread user) {
        return new RegionMemory(pages, pages.address, pages.length, pages.readOnly, order, user);
    }

    RegionMemory order(ByteOrder order) {
        return new RegionMemory(pages, address, length, readOnly, order, user);
    }

    ByteOrder order() {
        return order;
    }

    /** The same bytes for every thread. */
    RegionMemory shared() {
        return new RegionMemory(pages, address, length, readOnly, order, null);
    }

    /** Whether this is the first access of another thread than the one that made the region. A loop asks once. */
    private boolean isForeign() {
        return user != null && user != Thread.currentThread();
    }

    private void requireWritable() {
        if (readOnly) {
            throw new ReadOnlyBufferException();
        }
    }

    byte get(long offset) {
        if (isForeign()) {
            return pages.shared().get(offset);
        }
        byte value = Addresses.getByte(address + Objects.checkIndex(offset, length));
        Reference.reachabilityFence(pages);
        return value;
    }

    void put(long offset, byte value) {
        if (isForeign()) {
            pages.shared().put(offset, value);
            return;
        }
        requireWritable();
        Addresses.putByte(address + Objects.checkIndex(offset, length), value);
        Reference.reachabilityFence(pages);
    }

    short getShort(long offset) {
        if (isForeign()) {
            return pages.shared().getShort(offset);
        }
        short value = Addresses.getShort(address + Objects.checkIndex(offset, shorts));
        Reference.reachabilityFence(pages);
        return swap ? Short.reverseBytes(value) : value;
    }

    void putShort(long offset, short value) {
        if (isForeign()) {
            pages.shared().putShort(offset, value);
            return;
        }
        requireWritable();
        Addresses.putShort(address + Objects.checkIndex(offset, shorts), swap ? Short.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    int getInt(long offset) {
        if (isForeign()) {
            return pages.shared().getInt(offset);
        }
        int value = Addresses.getInt(address + Objects.checkIndex(offset, ints));
        Reference.reachabilityFence(pages);
        return swap ? Integer.reverseBytes(value) : value;
    }

    void putInt(long offset, int value) {
        if (isForeign()) {
            pages.shared().putInt(offset, value);
            return;
        }
        requireWritable();
        Addresses.putInt(address + Objects.checkIndex(offset, ints), swap ? Integer.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    long getLong(long offset) {
        if (isForeign()) {
            return pages.shared().getLong(offset);
        }
        long value = Addresses.getLong(address + Objects.checkIndex(offset, longs));
        Reference.reachabilityFence(pages);
        return swap ? Long.reverseBytes(value) : value;
    }

    void putLong(long offset, long value) {
        if (isForeign()) {
            pages.shared().putLong(offset, value);
            return;
        }
        requireWritable();
        Addresses.putLong(address + Objects.checkIndex(offset, longs), swap ? Long.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    /** The window that has the offset. */
    private ByteBuffer window(long offset) {
        ByteBuffer[] all = windows;
        if (all == null) {
            all = new ByteBuffer[(int) ((length + SIZE - 1) >>> SHIFT)];
            for (int i = 0; i < all.length; i++) {
                long start = (long) i << SHIFT;
                all[i] = pages.window(start, (int) Math.min(length - start, SIZE));
            }
            windows = all;
        }
        return all[(int) Objects.checkIndex(offset >>> SHIFT, (long) all.length)];
    }

    /** The offset within its window. */
    private static int index(long offset) {
        return (int) offset & SIZE - 1;
    }

    /** How many of {@code wanted} bytes from the offset on are in its window. */
    private static int part(long offset, long wanted) {
        return (int) Math.min(wanted, SIZE - index(offset));
    }

    void get(long offset, byte[] into, int start, int count) {
        if (isForeign()) {
            pages.shared().get(offset, into, start, count);
            return;
        }
        for (int done = 0, part; done < count; done += part) {
            part = part(offset + done, count - done);
            window(offset + done).get(index(offset + done), into, start + done, part);
        }
        Reference.reachabilityFence(pages);
    }

    void put(long offset, byte[] from, int start, int count) {
        if (isForeign()) {
            pages.shared().put(offset, from, start, count);
            return;
        }
        requireWritable();
        for (int done = 0, part; done < count; done += part) {
            part = part(offset + done, count - done);
            window(offset + done).put(index(offset + done), from, start + done, part);
        }
        Reference.reachabilityFence(pages);
    }

    /** Fills a buffer from its position on, and leaves that as it is. */
    void get(long offset, ByteBuffer into) {
        if (isForeign()) {
            pages.shared().get(offset, into);
            return;
        }
        for (int done = 0, part; done < into.remaining(); done += part) {
            part = part(offset + done, into.remaining() - done);
            into.put(into.position() + done, window(offset + done), index(offset + done), part);
        }
        Reference.reachabilityFence(pages);
    }

    /** Takes a buffer's bytes from its position on, and leaves that as it is. */
    void put(long offset, ByteBuffer from) {
        if (isForeign()) {
            pages.shared().put(offset, from);
            return;
        }
        requireWritable();
        for (int done = 0, part; done < from.remaining(); done += part) {
            part = part(offset + done, from.remaining() - done);
            window(offset + done).put(index(offset + done), from, from.position() + done, part);
        }
        Reference.reachabilityFence(pages);
    }

    /** Copies as if through a buffer in between. */
    void copyTo(long offset, RegionMemory into, long target, long count) {
        if (isForeign() || into.isForeign()) {
            RegionMemory from = isForeign() ? pages.shared() : this;
            from.copyTo(offset, into.isForeign() ? into.pages.shared() : into, target, count);
            return;
        }
        into.requireWritable();
        // Upwards in the same memory: the last bytes first, or they would be overwritten before they were read.
        boolean backwards = pages == into.pages && target > offset;
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
        Reference.reachabilityFence(pages);
        Reference.reachabilityFence(into.pages);
    }

    /** How many of {@code wanted} bytes before an offset are in one window. */
    private static int back(long end, int wanted) {
        return Math.min(wanted, index(end - 1) + 1);
    }
}
