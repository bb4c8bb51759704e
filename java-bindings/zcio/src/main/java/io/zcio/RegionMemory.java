package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;

/**
 * A region's bytes, at {@code long} offsets: {@link AddressMemory}, or {@code SegmentMemory} on JDK 22 and newer. In one JVM there is
 * only one of the two, so the JIT compiler knows what is called here and inlines it.
 */
abstract class RegionMemory {
    final long length;
    final boolean readOnly;
    /** Keeps the claim on the addresses. */
    final RegionPages pages;
    final ByteOrder order;
    /** The only thread that has used it so far, or null. */
    final Thread user;
    /** Whether the bytes of a value have to be turned round. */
    final boolean swap;

    RegionMemory(RegionPages pages, long length, boolean readOnly, ByteOrder order, Thread user) {
        this.pages = pages;
        this.length = length;
        this.readOnly = readOnly;
        this.order = order;
        this.user = user;
        this.swap = order != ByteOrder.nativeOrder();
    }

    /** The same bytes in that order. */
    abstract RegionMemory order(ByteOrder order);

    final ByteOrder order() {
        return order;
    }

    /** The same bytes for every thread. */
    abstract RegionMemory shared();

    /** Whether this is the first access of another thread than the one that made the region. A loop asks once. */
    final boolean isForeign() {
        return user != null && user != Thread.currentThread();
    }

    final void requireWritable() {
        if (readOnly) {
            throw new ReadOnlyBufferException();
        }
    }

    abstract byte get(long offset);

    abstract void put(long offset, byte value);

    abstract short getShort(long offset);

    abstract void putShort(long offset, short value);

    abstract int getInt(long offset);

    abstract void putInt(long offset, int value);

    abstract long getLong(long offset);

    abstract void putLong(long offset, long value);

    abstract void get(long offset, byte[] into, int start, int count);

    abstract void put(long offset, byte[] from, int start, int count);

    /** Fills a buffer from its position on, and leaves that as it is. */
    abstract void get(long offset, ByteBuffer into);

    /** Takes a buffer's bytes from its position on, and leaves that as it is. */
    abstract void put(long offset, ByteBuffer from);

    /** Copies as if through a buffer in between. */
    abstract void copyTo(long offset, RegionMemory into, long target, long count);
}
