package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;

/** The part of the bridge that {@link ZeroCopyFileChannel} needs beside {@link Native}. Not an API. */
final class ChannelNative {
    /** {@code O_ACCMODE}, {@code O_RDONLY}, {@code O_WRONLY}, {@code O_APPEND}: the same on x86-64 and aarch64. */
    static final int ACCESS = 3;
    static final int READ_ONLY = 0;
    static final int WRITE_ONLY = 1;
    static final int APPEND = 02000;

    /** The two calls of {@link #send}. */
    static final int SENDFILE = 0;
    static final int COPY_FILE_RANGE = 1;

    static {
        NativeLibrary.bind(ChannelNative.class, "ChannelNative");
    }

    private ChannelNative() {}

    /** The flags a file was opened with, as fcntl(2) gives them. */
    static native int flags(FileChannel file) throws IOException;

    /**
     * One such call, to the sink's own position: how many bytes it moved, or the negative number of an error that another
     * call might not have.
     *
     * @throws TransferException if the sink has no connection or no room any more
     */
    static native long send(int call, int source, int sink, long offset, long count) throws TransferException;

    /** Whether that is a pipe's end: fstat(2). */
    static native boolean isPipe(int descriptor);

    /** Begins to read a range into the page cache. */
    static native void prefetch(FileChannel file, long offset, long length) throws IOException;

    /** Writes a range out and drops it from the page cache. */
    static native void evict(FileChannel file, long offset, long length) throws IOException;
}
