package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * Loads, stores and copies of a region: the part of {@link MappedRegion} that has to be fast, and never enters native code.
 *
 * <p>Nothing here locks, and bounds are checked once, by {@link RegionMemory}: a load compiles to what it is with a
 * {@code MappedByteBuffer}. That a check failed because the region is closed is found out afterwards.
 */
abstract class RegionAccess {
    /** Replaced when the region is closed or moves; not volatile, so that a loop loads it once. */
    private RegionMemory memory = JdkGeneration.current().closed;

    private volatile boolean closed;

    /** For {@link MappedRegion}. */
    RegionAccess() {}

    final RegionMemory memory() {
        return memory;
    }

    final void memory(RegionMemory memory) {
        this.memory = memory;
    }

    /** From now on every access fails, in other threads as soon as they look at the memory again. */
    final void endAccess() {
        closed = true;
        memory = JdkGeneration.current().closed;
    }

    /**
     * Whether {@link MappedRegion#close} has not been called.
     *
     * @return true if it is open
     */
    public final boolean isOpen() {
        return !closed;
    }

    /**
     * Whether it cannot be written to.
     *
     * @return true if every {@code put} throws {@link java.nio.ReadOnlyBufferException}
     */
    public final boolean isReadOnly() {
        return memory.readOnly;
    }

    /**
     * The order of the bytes in values of more than one: {@link ByteOrder#BIG_ENDIAN} unless changed, as in buffers.
     *
     * @return the order
     */
    public final ByteOrder order() {
        return memory.order();
    }

    /** The exception for an access that the memory has refused: also the one for a closed region. */
    final RuntimeException outside(long offset, long count) {
        requireOpen();
        return new IndexOutOfBoundsException(
                count + " bytes at offset " + offset + " of a region of " + memory.length + " bytes");
    }

    final void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the region is closed");
        }
    }

    /** As {@link Objects#checkFromIndexSize}, for this region. */
    final void checkRange(long offset, long count) {
        if ((offset | count) < 0 || count > memory.length - offset) {
            throw outside(offset, count);
        }
        requireOpen();
    }

    /**
     * Loads a byte.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final byte get(long offset) {
        try {
            return memory.get(offset);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Byte.BYTES);
        }
    }

    /**
     * Stores a byte.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void put(long offset, byte value) {
        try {
            memory.put(offset, value);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Byte.BYTES);
        }
    }

    /**
     * Loads a char of two bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final char getChar(long offset) {
        try {
            return (char) memory.getShort(offset);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Character.BYTES);
        }
    }

    /**
     * Stores a char of two bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void putChar(long offset, char value) {
        try {
            memory.putShort(offset, (short) value);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Character.BYTES);
        }
    }

    /**
     * Loads a short of two bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final short getShort(long offset) {
        try {
            return memory.getShort(offset);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Short.BYTES);
        }
    }

    /**
     * Stores a short of two bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void putShort(long offset, short value) {
        try {
            memory.putShort(offset, value);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Short.BYTES);
        }
    }

    /**
     * Loads an int of four bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final int getInt(long offset) {
        try {
            return memory.getInt(offset);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Integer.BYTES);
        }
    }

    /**
     * Stores an int of four bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void putInt(long offset, int value) {
        try {
            memory.putInt(offset, value);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Integer.BYTES);
        }
    }

    /**
     * Loads a long of eight bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final long getLong(long offset) {
        try {
            return memory.getLong(offset);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Long.BYTES);
        }
    }

    /**
     * Stores a long of eight bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void putLong(long offset, long value) {
        try {
            memory.putLong(offset, value);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Long.BYTES);
        }
    }

    /**
     * Loads a float of four bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final float getFloat(long offset) {
        try {
            return Float.intBitsToFloat(memory.getInt(offset));
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Float.BYTES);
        }
    }

    /**
     * Stores a float of four bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void putFloat(long offset, float value) {
        try {
            memory.putInt(offset, Float.floatToRawIntBits(value));
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Float.BYTES);
        }
    }

    /**
     * Loads a double of eight bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @return the value
     * @throws IndexOutOfBoundsException if it does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final double getDouble(long offset) {
        try {
            return Double.longBitsToDouble(memory.getLong(offset));
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Double.BYTES);
        }
    }

    /**
     * Stores a double of eight bytes.
     *
     * @param offset where, in bytes; any, aligned or not
     * @param value  the value
     * @throws IndexOutOfBoundsException       if it does not lie in the region
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException           if the region is closed
     */
    public final void putDouble(long offset, double value) {
        try {
            memory.putLong(offset, Double.doubleToRawLongBits(value));
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, Double.BYTES);
        }
    }

    /**
     * Copies bytes out of the region.
     *
     * @param offset where in the region to begin
     * @param into   where they go
     * @param start  where in the array to begin
     * @param count  how many
     * @throws IndexOutOfBoundsException if one of the ranges does not lie in the region or in the array
     * @throws IllegalStateException     if the region is closed
     */
    public final void get(long offset, byte[] into, int start, int count) {
        Objects.checkFromIndexSize(start, count, into.length);
        checkRange(offset, count);
        try {
            memory.get(offset, into, start, count);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, count);
        }
    }

    /**
     * Copies bytes into the region.
     *
     * @param offset where in the region to begin
     * @param from   where they come from
     * @param start  where in the array to begin
     * @param count  how many
     * @throws IndexOutOfBoundsException        if one of the ranges does not lie in the region or in the array
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException            if the region is closed
     */
    public final void put(long offset, byte[] from, int start, int count) {
        Objects.checkFromIndexSize(start, count, from.length);
        checkRange(offset, count);
        try {
            memory.put(offset, from, start, count);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, count);
        }
    }

    /**
     * Copies bytes out of the region until the buffer is full.
     *
     * @param offset where in the region to begin
     * @param into   where they go; its position advances to its limit
     * @throws IndexOutOfBoundsException        if the region has not as many bytes from there on
     * @throws java.nio.ReadOnlyBufferException if the buffer cannot be written to
     * @throws IllegalStateException            if the region is closed
     */
    public final void get(long offset, ByteBuffer into) {
        checkRange(offset, into.remaining());
        try {
            memory.get(offset, into);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, into.remaining());
        }
        into.position(into.limit());
    }

    /**
     * Copies the rest of a buffer into the region.
     *
     * @param offset where in the region to begin
     * @param from   where they come from; its position advances to its limit
     * @throws IndexOutOfBoundsException        if the region has not as many bytes from there on
     * @throws java.nio.ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException            if the region is closed
     */
    public final void put(long offset, ByteBuffer from) {
        checkRange(offset, from.remaining());
        try {
            memory.put(offset, from);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, from.remaining());
        }
        from.position(from.limit());
    }

    /**
     * Copies bytes from this region into a region, which may be the same one: then as if through a buffer in between.
     *
     * @param offset       where in this region to begin
     * @param target       the region that they go to
     * @param targetOffset where in that region to begin
     * @param count        how many
     * @throws IndexOutOfBoundsException        if one of the ranges does not lie in its region
     * @throws java.nio.ReadOnlyBufferException if the target cannot be written to
     * @throws IllegalStateException            if one of the regions is closed
     */
    public final void copyTo(long offset, MappedRegion target, long targetOffset, long count) {
        checkRange(offset, count);
        target.checkRange(targetOffset, count);
        try {
            memory.copyTo(offset, ((RegionAccess) target).memory, targetOffset, count);
        } catch (IndexOutOfBoundsException e) {
            throw outside(offset, count);
        }
    }
}
