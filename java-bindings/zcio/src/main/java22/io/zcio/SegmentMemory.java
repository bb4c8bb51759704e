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
final class SegmentMemory extends RegionMemory {
    /** Always a writable one, so that there is but one class. */
    private final MemorySegment segment;

    SegmentMemory(SegmentPages pages, MemorySegment segment, boolean readOnly, ByteOrder order, Thread user) {
        super(pages, segment.byteSize(), readOnly, order, user);
        this.segment = segment;
    }

    private SegmentMemory with(ByteOrder order, Thread user) {
        return new SegmentMemory((SegmentPages) pages, segment, readOnly, order, user);
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
        byte value = segment.get(ValueLayout.JAVA_BYTE, offset);
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
        segment.set(ValueLayout.JAVA_BYTE, offset, value);
        Reference.reachabilityFence(pages);
    }

    @Override
    short getShort(long offset) {
        if (isForeign()) {
            return pages.shared().getShort(offset);
        }
        short value = segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset);
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
        segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, swap ? Short.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    @Override
    int getInt(long offset) {
        if (isForeign()) {
            return pages.shared().getInt(offset);
        }
        int value = segment.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
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
        segment.set(ValueLayout.JAVA_INT_UNALIGNED, offset, swap ? Integer.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    @Override
    long getLong(long offset) {
        if (isForeign()) {
            return pages.shared().getLong(offset);
        }
        long value = segment.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
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
        segment.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, swap ? Long.reverseBytes(value) : value);
        Reference.reachabilityFence(pages);
    }

    @Override
    void get(long offset, byte[] into, int start, int count) {
        if (isForeign()) {
            pages.shared().get(offset, into, start, count);
            return;
        }
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, offset, into, start, count);
        Reference.reachabilityFence(pages);
    }

    @Override
    void put(long offset, byte[] from, int start, int count) {
        if (isForeign()) {
            pages.shared().put(offset, from, start, count);
            return;
        }
        requireWritable();
        MemorySegment.copy(from, start, segment, ValueLayout.JAVA_BYTE, offset, count);
        Reference.reachabilityFence(pages);
    }

    @Override
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

    @Override
    void put(long offset, ByteBuffer from) {
        if (isForeign()) {
            pages.shared().put(offset, from);
            return;
        }
        requireWritable();
        MemorySegment.copy(MemorySegment.ofBuffer(from), 0, segment, offset, from.remaining());
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
        MemorySegment.copy(segment, offset, ((SegmentMemory) into).segment, target, count);
        Reference.reachabilityFence(pages);
        Reference.reachabilityFence(into.pages);
    }
}
