package io.zcio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;

/**
 * A region's bytes as a segment, from JDK 22 on: its {@code long} offsets are known to the JIT compiler, and it says that it is
 * closed.
 */
final class RegionMemory {
    /** What is left after a close: no byte. */
    static final RegionMemory CLOSED = new RegionMemory(MemorySegment.NULL, false, ByteOrder.BIG_ENDIAN);

    final long length;
    final boolean readOnly;
    /** Always a writable one, so that there is but one class. */
    private final MemorySegment segment;
    private final ByteOrder order;
    /** Whether the bytes of a value have to be turned round. */
    private final boolean swap;

    private RegionMemory(MemorySegment segment, boolean readOnly, ByteOrder order) {
        this.segment = segment;
        this.length = segment.byteSize();
        this.readOnly = readOnly;
        this.order = order;
        this.swap = order != ByteOrder.nativeOrder();
    }

    static RegionMemory of(RegionPages pages, ByteOrder order) {
        return new RegionMemory(pages.segment, pages.readOnly, order);
    }

    RegionMemory order(ByteOrder order) {
        return new RegionMemory(segment, readOnly, order);
    }

    ByteOrder order() {
        return order;
    }

    private void requireWritable() {
        if (readOnly) {
            throw new ReadOnlyBufferException();
        }
    }

    byte get(long offset) {
        return segment.get(ValueLayout.JAVA_BYTE, offset);
    }

    void put(long offset, byte value) {
        requireWritable();
        segment.set(ValueLayout.JAVA_BYTE, offset, value);
    }

    short getShort(long offset) {
        short value = segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset);
        return swap ? Short.reverseBytes(value) : value;
    }

    void putShort(long offset, short value) {
        requireWritable();
        segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, swap ? Short.reverseBytes(value) : value);
    }

    int getInt(long offset) {
        int value = segment.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
        return swap ? Integer.reverseBytes(value) : value;
    }

    void putInt(long offset, int value) {
        requireWritable();
        segment.set(ValueLayout.JAVA_INT_UNALIGNED, offset, swap ? Integer.reverseBytes(value) : value);
    }

    long getLong(long offset) {
        long value = segment.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
        return swap ? Long.reverseBytes(value) : value;
    }

    void putLong(long offset, long value) {
        requireWritable();
        segment.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, swap ? Long.reverseBytes(value) : value);
    }

    void get(long offset, byte[] into, int start, int count) {
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, offset, into, start, count);
    }

    void put(long offset, byte[] from, int start, int count) {
        requireWritable();
        MemorySegment.copy(from, start, segment, ValueLayout.JAVA_BYTE, offset, count);
    }

    /** Fills a buffer from its position on, and leaves that as it is. */
    void get(long offset, ByteBuffer into) {
        if (into.isReadOnly()) {
            throw new ReadOnlyBufferException();
        }
        MemorySegment.copy(segment, offset, MemorySegment.ofBuffer(into), 0, into.remaining());
    }

    /** Takes a buffer's bytes from its position on, and leaves that as it is. */
    void put(long offset, ByteBuffer from) {
        requireWritable();
        MemorySegment.copy(MemorySegment.ofBuffer(from), 0, segment, offset, from.remaining());
    }

    /** Copies as if through a buffer in between. */
    void copyTo(long offset, RegionMemory into, long target, long count) {
        into.requireWritable();
        MemorySegment.copy(segment, offset, into.segment, target, count);
    }
}
