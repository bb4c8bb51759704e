package io.zcio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;

/**
 * A region's bytes as a segment, from JDK 22 on: its {@code long} offsets are known to the JIT compiler.
 *
 * <p>The segment is of the global arena; what keeps its addresses are the pages, which stay reachable until a load is done.
 */
final class RegionMemory {
    /** What is left after a close: no byte. */
    static final RegionMemory CLOSED = new RegionMemory(null, MemorySegment.NULL, false, ByteOrder.BIG_ENDIAN, null);

    final long length;
    final boolean readOnly;
    /** Keeps the claim on the addresses. */
    private final RegionPages pages;
    /** Always a writable one, so that there is but one class. */
    private final MemorySegment segment;
    private final ByteOrder order;
    /** The only thread that has used it so far, or null. */
    private final Thread user;
    /** Whether the bytes of a value have to be turned round. */
    private final boolean swap;

    private RegionMemory(RegionPages pages, MemorySegment segment, boolean readOnly, ByteOrder order, Thread user) {
        this.pages = pages;
        this.segment = segment;
        this.length = segment.byteSize();
        this.readOnly = readOnly;
        this.order = order;
        this.user = user;
        this.swap = order != ByteOrder.nativeOrder();
    }

    /** For the accesses of one thread; of all threads if that is null. */
    static RegionMemory of(RegionPages pages, ByteOrder order, Thread user) {
        return new RegionMemory(pages, pages.segment, pages.readOnly, order, user);
    }

    RegionMemory order(ByteOrder order) {
        return new RegionMemory(pages, segment, readOnly, order, user);
    }

    ByteOrder order() {
        return order;
    }

    /** The same bytes for every thread. */
    RegionMemory shared() {
        return new RegionMemory(pages, segment, readOnly, order, null);
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
        byte value = segment.get(ValueLayout.JAVA_BYTE, offset);
        Reference.reachabilityFence(pages);
        return value;
    }

    void put(long offset, byte value) {
        if (isForeign()) {
            pages.shared().put(offset, value);
            return;
        }
        requireWritable();
        segment.set(ValueLayout.JAVA_BYTE, offset, value);
        Reference.reachabilityFence(pages);
    }

    short getShort(long offset) {
        if (isForeign()) {
            return pages.shared().getShort(offset);
        }
        short value = segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset);
        Reference.reachabilityFence(pages);
        return swap ? Short.reverseBytes(value) : value;
    }

    void putShort(long offset, short value) {
        if (isForeign()) {
            pages.shared().putShort(offset, value);
            return;
        }
        requireWritable();
        segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, swap ? Short.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    int getInt(long offset) {
        if (isForeign()) {
            return pages.shared().getInt(offset);
        }
        int value = segment.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
        Reference.reachabilityFence(pages);
        return swap ? Integer.reverseBytes(value) : value;
    }

    void putInt(long offset, int value) {
        if (isForeign()) {
            pages.shared().putInt(offset, value);
            return;
        }
        requireWritable();
        segment.set(ValueLayout.JAVA_INT_UNALIGNED, offset, swap ? Integer.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    long getLong(long offset) {
        if (isForeign()) {
            return pages.shared().getLong(offset);
        }
        long value = segment.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
        Reference.reachabilityFence(pages);
        return swap ? Long.reverseBytes(value) : value;
    }

    void putLong(long offset, long value) {
        if (isForeign()) {
            pages.shared().putLong(offset, value);
            return;
        }
        requireWritable();
        segment.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, swap ? Long.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    void get(long offset, byte[] into, int start, int count) {
        if (isForeign()) {
            pages.shared().get(offset, into, start, count);
            return;
        }
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, offset, into, start, count);
        Reference.reachabilityFence(pages);
    }

    void put(long offset, byte[] from, int start, int count) {
        if (isForeign()) {
            pages.shared().put(offset, from, start, count);
            return;
        }
        requireWritable();
        MemorySegment.copy(from, start, segment, ValueLayout.JAVA_BYTE, offset, count);
        Reference.reachabilityFence(pages);
    }

    /** Fills a buffer from its position on, and leaves that as it is. */
    void get(long offset, ByteBuffer into) {
        if (isForeign()) {
            pages.shared().get(offset, into);
            return;
        }
        if (into.isReadOnly()) {
            throw new ReadOnlyBufferException();
        }
        MemorySegment.copy(segment, offset, MemorySegment.ofBuffer(into), 0, into.remaining());
        Reference.reachabilityFence(pages);
    }

    /** Takes a buffer's bytes from its position on, and leaves that as it is. */
    void put(long offset, ByteBuffer from) {
        if (isForeign()) {
            pages.shared().put(offset, from);
            return;
        }
        requireWritable();
        MemorySegment.copy(MemorySegment.ofBuffer(from), 0, segment, offset, from.remaining());
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
        MemorySegment.copy(segment, offset, into.segment, target, count);
        Reference.reachabilityFence(pages);
        Reference.reachabilityFence(into.pages);
    }
}
