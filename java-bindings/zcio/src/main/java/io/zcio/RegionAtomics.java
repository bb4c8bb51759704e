package io.zcio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Ordered and atomic access to a region's values, by which threads and processes that share its memory agree: the modes of {@link
 * VarHandle}, in the {@linkplain MappedRegion#order() region's order}. A value must lie at a multiple of its size.
 *
 * <pre>{@code
 * RegionAtomics atomics = shared.atomics();
 * shared.region().putLong(64, value);
 * atomics.putLongRelease(0, sequence); // whoever gets this by getLongAcquire sees the value, too
 * }</pre>
 *
 * <p>Every method throws {@link IndexOutOfBoundsException} if the value does not lie in the region, {@link IllegalArgumentException}
 * if it lies at no multiple of its size, {@link IllegalStateException} if the region is closed, and, if it stores, {@link
 * java.nio.ReadOnlyBufferException} if the region cannot be written to. To {@link MappedRegion#tryClose} this is a view.
 */
public final class RegionAtomics {
    private static final int SHIFT = 30;
    private static final VarHandle INT_BIG = handle(int[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle INT_LITTLE = handle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG_BIG = handle(long[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle LONG_LITTLE = handle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final MappedRegion region;
    private volatile Windows windows;

    /** Buffers over a region's pages, one for each GiB; made anew if the region moves. */
    private record Windows(RegionPages pages, ByteBuffer[] buffers) {}

    RegionAtomics(MappedRegion region) {
        this.region = region;
    }

    private static VarHandle handle(Class<?> array, ByteOrder order) {
        return MethodHandles.byteBufferViewVarHandle(array, order);
    }

    private ByteBuffer window(long offset, int size) {
        region.checkRange(offset, size);
        if (offset % size != 0) {
            throw new IllegalArgumentException("offset " + offset + " is no multiple of " + size);
        }
        Windows now = windows;
        if (now == null || now.pages != region.memory().pages) {
            now = open();
            windows = now;
        }
        return now.buffers[(int) (offset >>> SHIFT)];
    }

    private Windows open() {
        long length = region.size();
        ByteBuffer[] buffers = new ByteBuffer[(int) ((length + (1L << SHIFT) - 1) >>> SHIFT)];
        RegionPages pages = region.pages(0, length);
        for (int i = 0; i < buffers.length; i++) {
            long start = (long) i << SHIFT;
            buffers[i] = pages.buffer(start, (int) Math.min(length - start, 1 << SHIFT));
        }
        return new Windows(pages, buffers);
    }

    private static int index(long offset) {
        return (int) offset & (1 << SHIFT) - 1;
    }

    private VarHandle ints() {
        return region.order() == ByteOrder.BIG_ENDIAN ? INT_BIG : INT_LITTLE;
    }

    private VarHandle longs() {
        return region.order() == ByteOrder.BIG_ENDIAN ? LONG_BIG : LONG_LITTLE;
    }

    /**
     * Loads a value; what other threads stored before it, by volatile mode, is seen in one order by all.
     *
     * @param offset where, in bytes
     * @return the value
     */
    public int getIntVolatile(long offset) {
        return (int) ints().getVolatile(window(offset, Integer.BYTES), index(offset));
    }

    /**
     * Stores a value, seen by all in one order with what else is loaded and stored by volatile mode.
     *
     * @param offset where, in bytes
     * @param value the value
     */
    public void putIntVolatile(long offset, int value) {
        ints().setVolatile(window(offset, Integer.BYTES), index(offset), value);
    }

    /**
     * Loads a value; loads and stores that come later in this thread are not made before it.
     *
     * @param offset where, in bytes
     * @return the value
     */
    public int getIntAcquire(long offset) {
        return (int) ints().getAcquire(window(offset, Integer.BYTES), index(offset));
    }

    /**
     * Stores a value; loads and stores that come before in this thread are made before it.
     *
     * @param offset where, in bytes
     * @param value the value
     */
    public void putIntRelease(long offset, int value) {
        ints().setRelease(window(offset, Integer.BYTES), index(offset), value);
    }

    /**
     * Stores a value if another is there, as one volatile access.
     *
     * @param offset where, in bytes
     * @param expected what must be there
     * @param value the value
     * @return whether it was, and the value is stored
     */
    public boolean compareAndSetInt(long offset, int expected, int value) {
        return (boolean) ints().compareAndSet(window(offset, Integer.BYTES), index(offset), expected, value);
    }

    /**
     * Stores a value if another is there, and says what was, as one volatile access.
     *
     * @param offset where, in bytes
     * @param expected what must be there
     * @param value the value
     * @return what was there: the expected value if the new one is stored
     */
    public int compareAndExchangeInt(long offset, int expected, int value) {
        return (int) ints().compareAndExchange(window(offset, Integer.BYTES), index(offset), expected, value);
    }

    /**
     * Adds to a value, as one volatile access.
     *
     * @param offset where, in bytes
     * @param value what to add
     * @return what was there before
     */
    public int getAndAddInt(long offset, int value) {
        return (int) ints().getAndAdd(window(offset, Integer.BYTES), index(offset), value);
    }

    /**
     * Stores a value, and says what was there, as one volatile access.
     *
     * @param offset where, in bytes
     * @param value the value
     * @return what was there before
     */
    public int getAndSetInt(long offset, int value) {
        return (int) ints().getAndSet(window(offset, Integer.BYTES), index(offset), value);
    }

    /**
     * Loads a value; what other threads stored before it, by volatile mode, is seen in one order by all.
     *
     * @param offset where, in bytes
     * @return the value
     */
    public long getLongVolatile(long offset) {
        return (long) longs().getVolatile(window(offset, Long.BYTES), index(offset));
    }

    /**
     * Stores a value, seen by all in one order with what else is loaded and stored by volatile mode.
     *
     * @param offset where, in bytes
     * @param value the value
     */
    public void putLongVolatile(long offset, long value) {
        longs().setVolatile(window(offset, Long.BYTES), index(offset), value);
    }

    /**
     * Loads a value; loads and stores that come later in this thread are not made before it.
     *
     * @param offset where, in bytes
     * @return the value
     */
    public long getLongAcquire(long offset) {
        return (long) longs().getAcquire(window(offset, Long.BYTES), index(offset));
    }

    /**
     * Stores a value; loads and stores that come before in this thread are made before it.
     *
     * @param offset where, in bytes
     * @param value the value
     */
    public void putLongRelease(long offset, long value) {
        longs().setRelease(window(offset, Long.BYTES), index(offset), value);
    }

    /**
     * Stores a value if another is there, as one volatile access.
     *
     * @param offset where, in bytes
     * @param expected what must be there
     * @param value the value
     * @return whether it was, and the value is stored
     */
    public boolean compareAndSetLong(long offset, long expected, long value) {
        return (boolean) longs().compareAndSet(window(offset, Long.BYTES), index(offset), expected, value);
    }

    /**
     * Stores a value if another is there, and says what was, as one volatile access.
     *
     * @param offset where, in bytes
     * @param expected what must be there
     * @param value the value
     * @return what was there: the expected value if the new one is stored
     */
    public long compareAndExchangeLong(long offset, long expected, long value) {
        return (long) longs().compareAndExchange(window(offset, Long.BYTES), index(offset), expected, value);
    }

    /**
     * Adds to a value, as one volatile access.
     *
     * @param offset where, in bytes
     * @param value what to add
     * @return what was there before
     */
    public long getAndAddLong(long offset, long value) {
        return (long) longs().getAndAdd(window(offset, Long.BYTES), index(offset), value);
    }

    /**
     * Stores a value, and says what was there, as one volatile access.
     *
     * @param offset where, in bytes
     * @param value the value
     * @return what was there before
     */
    public long getAndSetLong(long offset, long value) {
        return (long) longs().getAndSet(window(offset, Long.BYTES), index(offset), value);
    }
}
