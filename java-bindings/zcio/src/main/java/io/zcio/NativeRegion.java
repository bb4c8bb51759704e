package io.zcio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;

/**
 * The bridge to the native code of regions. Not an API.
 *
 * <p>A {@code long region} or {@code long view} is a handle. It stays good until it is dropped, which only a {@code Cleaner} does,
 * once the object that owns it is unreachable: a closed region's handle can still be asked, and says that it is closed. Whoever
 * passes a handle keeps its owner reachable until the call has returned.
 */
final class NativeRegion {
    static {
        NativeLibrary.bind(NativeRegion.class, "NativeRegion");
    }

    private NativeRegion() {}

    /**
     * A region of a file. {@code access}: 0 read-only, 1 read-write, 2 private; a negative length is the rest of the file.
     * {@code room}: a {@link Room}. {@code facts}: see {@link #view}, which is part of every call that makes a region.
     */
    static native long open(byte[] path, String name, int access, long offset, long length, int room, long[] facts)
            throws IOException;

    /** As {@link #open}, of the descriptor of a channel that this thread is registered with ({@link CloseProtocol}). */
    static native long map(int descriptor, int access, long offset, long length, int room, long[] facts)
            throws IOException;

    static native long anonymous(long length, int room, long[] facts) throws IOException;

    /** Lets a view go, if {@code claim} is not 0, and then file and memory; the addresses stay, as zeroes, while a view exists. */
    static native void close(long region, long claim) throws IOException;

    static native void drop(long region);

    /** A claim on all the region's addresses; into {@code facts} go its handle, address, length, and 1 if it may be written to. */
    static native void view(long region, long[] facts) throws IOException;

    static native long cloneView(long view);

    static native void dropView(long view);

    /** A buffer for loads and stores alone; writable, whatever the view is. */
    static native ByteBuffer window(long address, int length);

    /** A buffer without a cleaner that can be forced and loaded; read-only only if it can be made so at once. */
    static native MappedByteBuffer buffer(long address, int length, boolean readOnly);

    /** A {@code MemorySegment} of a scope's arena whose force and load work, or null. */
    static native Object segment(MappedByteBuffer mapped, long address, long length, boolean readOnly, Object scope);

    /** Moves the region to other addresses, if it has views; these read as zeroes then. */
    static native void leaveViews(long region) throws IOException;

    static native void resize(long region, long length, boolean withFile) throws IOException;

    static native void check(long region) throws IOException;

    static native void advise(long region, long offset, long length, String advice) throws IOException;

    static native void populate(long region, long offset, long length, boolean forWriting) throws IOException;

    static native void lock(long region, long offset, long length, boolean onFault) throws IOException;

    static native void unlock(long region, long offset, long length) throws IOException;

    static native void flush(long region, long offset, long length, boolean wait) throws IOException;

    /** Page size, pages, pages present, bitmap. */
    static native long[] residency(long region, long offset, long length) throws IOException;

    static native void read(long region, long offset, byte[] into, int start, int count) throws IOException;

    static native void write(long region, long offset, byte[] from, int start, int count) throws IOException;

    static native void guard() throws IOException;

    /** The names of the advice that the native code knows. */
    static native String[] advice();
}
