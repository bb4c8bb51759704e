package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * Loads, stores and copies of a region: the part of {@link MappedRegion} that has to be fast, and never enters native code.
 *
 * <p>Nothing here locks, and bounds are checked by the buffers alone: a load compiles to what it is with a
 * {@code MappedByteBuffer}. That a check failed because the region is closed is found out afterwards.
 */
abstract class RegionAccess extends RegionSegments {
    /** What is copied at once between regions. */
    private static final long STEP = 1 << 20;

    /** Replaced when the region is closed or moves; not volatile, so that a loop loads it once. */
    private RegionMemory memory = RegionMemory.CLOSED;

    /** Read before {@link #memory} is asked for more than its windows: see {@link #outside}. */
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
        memory = RegionMemory.CLOSED;
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
     * How long it is.
     *
     * @return the length in bytes; 0 once closed
     */
    public final long size() {
        return memory.length;
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

    /** The exception for an access that a buffer has refused: also the one for a closed region. */
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
            return memory.window(offset).get(RegionMemory.index(offset));
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
            memory.writable(offset).put(RegionMemory.index(offset), value);
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
            return memory.window(offset).getChar(RegionMemory.index(offset));
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
            memory.writable(offset).putChar(RegionMemory.index(offset), value);
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
            return memory.window(offset).getShort(RegionMemory.index(offset));
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
            memory.writable(offset).putShort(RegionMemory.index(offset), value);
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
            return memory.window(offset).getInt(RegionMemory.index(offset));
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
            memory.writable(offset).putInt(RegionMemory.index(offset), value);
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
            return memory.window(offset).getLong(RegionMemory.index(offset));
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
            memory.writable(offset).putLong(RegionMemory.index(offset), value);
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
            return memory.window(offset).getFloat(RegionMemory.index(offset));
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
            memory.writable(offset).putFloat(RegionMemory.index(offset), value);
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
            return memory.window(offset).getDouble(RegionMemory.index(offset));
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
            memory.writable(offset).putDouble(RegionMemory.index(offset), value);
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
        RegionMemory from = memory;
        checkRange(offset, count);
        for (int done = 0, part; done < count; done += part) {
            part = RegionMemory.part(offset + done, count - done);
            from.window(offset + done).get(RegionMemory.index(offset + done), into, start + done, part);
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
        RegionMemory into = memory;
        checkRange(offset, count);
        for (int done = 0, part; done < count; done += part) {
            part = RegionMemory.part(offset + done, count - done);
            into.writable(offset + done).put(RegionMemory.index(offset + done), from, start + done, part);
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
        RegionMemory from = memory;
        checkRange(offset, into.remaining());
        for (long at = offset; into.hasRemaining(); ) {
            int part = RegionMemory.part(at, into.remaining());
            into.put(into.position(), from.window(at), RegionMemory.index(at), part);
            into.position(into.position() + part);
            at += part;
        }
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
        RegionMemory into = memory;
        checkRange(offset, from.remaining());
        for (long at = offset; from.hasRemaining(); ) {
            int part = RegionMemory.part(at, from.remaining());
            into.writable(at).put(RegionMemory.index(at), from, from.position(), part);
            from.position(from.position() + part);
            at += part;
        }
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
        RegionMemory from = memory;
        RegionMemory into = ((RegionAccess) target).memory;
        checkRange(offset, count);
        target.checkRange(targetOffset, count);
        // Upwards in the same memory: the last bytes first, or they would be overwritten before they were read.
        boolean backwards = from == into && targetOffset > offset;
        for (long done = 0; done < count; ) {
            int part = (int) Math.min(STEP, count - done);
            long at = done;
            // Neither range may leave its window; the rest comes in the next round.
            if (backwards) {
                long end = count - done;
                part = Math.min(back(offset + end, part), back(targetOffset + end, part));
                at = end - part;
            } else {
                part = Math.min(RegionMemory.part(offset + at, part), RegionMemory.part(targetOffset + at, part));
            }
            ByteBuffer source = from.window(offset + at);
            into.writable(targetOffset + at)
                    .put(RegionMemory.index(targetOffset + at), source, RegionMemory.index(offset + at), part);
            done += part;
        }
    }

    /** How many of {@code wanted} bytes before an offset are in one window. */
    private static int back(long end, int wanted) {
        return Math.min(wanted, RegionMemory.index(end - 1) + 1);
    }
}
