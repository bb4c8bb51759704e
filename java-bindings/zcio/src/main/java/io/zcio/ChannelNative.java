package io.zcio;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.nio.channels.FileChannel;

/** The part of the bridge that {@link ZeroCopyFileChannel} needs beside {@link Native}. Not an API. */
final class ChannelNative {
    /** {@code O_ACCMODE}, {@code O_RDONLY}, {@code O_WRONLY}, {@code O_APPEND}: the same on x86-64 and aarch64. */
    static final int ACCESS = 3;
    static final int READ_ONLY = 0;
    static final int WRITE_ONLY = 1;
    static final int APPEND = 02000;

    static {
        try {
            MethodHandles.lookup().ensureInitialized(Native.class);
        } catch (IllegalAccessException e) {
            throw new AssertionError("a class of the same package", e);
        }
    }

    private ChannelNative() {}

    /** The lookup that sees every member of every class; null if this runtime has none. Never to be given away. */
    static native MethodHandles.Lookup trustedLookup();

    /** The flags a file was opened with, as fcntl(2) gives them. */
    static native int flags(FileChannel file) throws IOException;

    /** sendfile(2) once: how many bytes it moved, or the negative error number. */
    static native long sendfile(int source, int sink, long offset, long count);

    /**
     * Moves bytes until the count is reached, the source ends, or an end in non-blocking mode is not ready; gives back how
     * many. Arguments as those of {@link NativeTransfer}.
     */
    static native long moveWhatFits(Object source, Object sink, long offset, long sinkOffset, long count) throws IOException;

    /** Begins to read a range into the page cache. */
    static native void prefetch(FileChannel file, long offset, long length) throws IOException;

    /** Writes a range out and drops it from the page cache. */
    static native void evict(FileChannel file, long offset, long length) throws IOException;
}
