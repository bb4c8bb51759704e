package io.zcio;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * A region's bytes before JDK 22.
 *
 * <p>A buffer's index is an {@code int}, and before JDK 22 a loop over {@code long} offsets that ends in one is two to four times
 * as slow as the buffer's own: the compiler does not see that the index fits and that the buffer checks it again. What it does
 * understand, from 17 on, is {@link Objects#checkIndex(long, long)} and a load from an address, so this is what a load is here. No
 * load or store goes to an address that was not checked in the same method, and the pages stay where they are until it is done.
 *
 * <p>Copies of many bytes go through buffers, one for each GiB, made when the first such copy is.
 */
final class AddressMemory extends RegionMemory {
    private static final int SHIFT = 30;
    private static final int SIZE = 1 << SHIFT;
    /** What is copied at once between regions. */
    private static final long STEP = 1 << 20;

    private final long address;
    /** How many places there are for a value of two, four and eight bytes. */
    private final long shorts;
    private final long ints;
    private final long longs;
    /** Volatile, because a buffer must be complete before another thread sees it. */
    private volatile ByteBuffer[] windows;

    AddressMemory(AddressPages pages, long address, long length, boolean readOnly, ByteOrder order, Thread user) {
        super(pages, length, readOnly, order, user);
        this.address = address;
        this.shorts = Math.max(0, length - Short.BYTES + 1);
        this.ints = Math.max(0, length - Integer.BYTES + 1);
        this.longs = Math.max(0, length - Long.BYTES + 1);
    }

    private AddressMemory with(ByteOrder order, Thread user) {
        return new AddressMemory((AddressPages) pages, address, length, readOnly, order, user);
    }

    @Override
    RegionMemory order(ByteOrder order) {
        return with(order, user);
    }

    @Override
    RegionMemory shared() {
        return with(order, null);
    }

    @Override
    byte get(long offset) {
        if (isForeign()) {
            return pages.shared().get(offset);
        }
        byte value = Addresses.getByte(address + Objects.checkIndex(offset, length));
        Reference.reachabilityFence(pages);
        return value;
    }

    @Override
    void put(long offset, byte value) {
        if (isForeign()) {
            pages.shared().put(offset, value);
            return;
        }
        requireWritable();
        Addresses.putByte(address + Objects.checkIndex(offset, length), value);
        Reference.reachabilityFence(pages);
    }

    @Override
    short getShort(long offset) {
        if (isForeign()) {
            return pages.shared().getShort(offset);
        }
        short value = Addresses.getShort(address + Objects.checkIndex(offset, shorts));
        Reference.reachabilityFence(pages);
        return swap ? Short.reverseBytes(value) : value;
    }

    @Override
    void putShort(long offset, short value) {
        if (isForeign()) {
            pages.shared().putShort(offset, value);
            return;
        }
        requireWritable();
        Addresses.putShort(address + Objects.checkIndex(offset, shorts), swap ? Short.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    @Override
    int getInt(long offset) {
        if (isForeign()) {
            return pages.shared().getInt(offset);
        }
        int value = Addresses.getInt(address + Objects.checkIndex(offset, ints));
        Reference.reachabilityFence(pages);
        return swap ? Integer.reverseBytes(value) : value;
    }

    @Override
    void putInt(long offset, int value) {
        if (isForeign()) {
            pages.shared().putInt(offset, value);
            return;
        }
        requireWritable();
        Addresses.putInt(address + Objects.checkIndex(offset, ints), swap ? Integer.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    @Override
    long getLong(long offset) {
        if (isForeign()) {
            return pages.shared().getLong(offset);
        }
        long value = Addresses.getLong(address + Objects.checkIndex(offset, longs));
        Reference.reachabilityFence(pages);
        return swap ? Long.reverseBytes(value) : value;
    }

    @Override
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
                all[i] = ((AddressPages) pages).window(start, (int) Math.min(length - start, SIZE));
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

    @Override
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

    @Override
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

    @Override
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

    @Override
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

    @Override
    void copyTo(long offset, RegionMemory into, long target, long count) {
        if (isForeign() || into.isForeign()) {
            RegionMemory from = isForeign() ? pages.shared() : this;
            from.copyTo(offset, into.isForeign() ? into.pages.shared() : into, target, count);
            return;
        }
        into.requireWritable();
        AddressMemory to = (AddressMemory) into;
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
            to.window(target + at).put(index(target + at), window(offset + at), index(offset + at), part);
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
