package io.zcio;

import java.io.IOException;
import java.util.function.LongPredicate;

/** The bridge to the native code's transfers. Not an API. */
final class NativeTransfer {
    static {
        NativeLibrary.bind(NativeTransfer.class, "NativeTransfer");
    }

    private NativeTransfer() {}

    /**
     * Moves bytes until the end, waiting as needed. An end is a path's bytes, memory, or else a channel.
     *
     * @param address    where the source's memory begins
     * @param length     its length; negative if the source is no memory
     * @param offset     where to begin in the source; negative for its position
     * @param sinkOffset where to begin in the sink; negative for its position
     * @param count      how many bytes; negative for all
     * @param mechanism  the mechanism's name; null for the best one that works
     * @param readAhead  bytes to read ahead; negative for none
     * @param watch      asked at least every 100 ms whether to stop
     * @return what happened; null if the sink is a FIFO that nobody reads yet
     */
    static native Object run(
            Object source,
            byte[] sourcePath,
            long address,
            long length,
            Object sink,
            byte[] sinkPath,
            long offset,
            long sinkOffset,
            long count,
            String mechanism,
            boolean snapshot,
            long readAhead,
            boolean dropBehind,
            LongPredicate watch)
            throws IOException;

    /**
     * Opens the ends and moves nothing yet; the arguments are those of {@link #run}.
     *
     * @param waiting who will wait and how: see {@link Stepper}
     * @return a handle; 0 if the sink is a FIFO that nobody reads yet
     */
    static native long start(
            Object source,
            byte[] sourcePath,
            long address,
            long length,
            Object sink,
            byte[] sinkPath,
            long offset,
            long sinkOffset,
            long count,
            String mechanism,
            boolean snapshot,
            long readAhead,
            boolean dropBehind,
            int waiting)
            throws IOException;

    /** What has happened so far; null before the first step. */
    static native Object report(long handle);
}
