package io.zcio;

import java.io.IOException;
import java.time.Duration;
import java.util.OptionalLong;

/** The bridge to the native code's fan-outs. Not an API. */
final class NativeFanOut {
    static {
        NativeLibrary.bind(NativeFanOut.class, "NativeFanOut");
    }

    private NativeFanOut() {}

    /**
     * Opens the ends and moves nothing yet.
     *
     * @param ends    the source, then the sinks
     * @param paths   their paths; null for those that are channels
     * @param offsets where to begin in each; negative for its position
     * @param count   how many bytes; negative for all
     * @return a handle; 0 if a sink is a FIFO that nobody reads yet
     */
    static native long start(
            Object[] ends, byte[][] paths, long[] offsets, long count, boolean snapshot, int waiting) throws IOException;

    /** What has happened so far; null before the first step. */
    static native Object report(long handle);

    /** Called by the native code. */
    static Object report(
            long bytes,
            long requested,
            String mechanism,
            Object[] attempts,
            Object[] sinks,
            long calls,
            long waits,
            long nanoseconds) {
        return new FanOutReport(
                bytes,
                requested < 0 ? OptionalLong.empty() : OptionalLong.of(requested),
                Mechanism.of(mechanism),
                Native.listOf(Attempt.class, attempts),
                Native.listOf(FanOutReport.Sink.class, sinks),
                calls,
                waits,
                Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static Object sink(long bytes, String mechanism, Object[] attempts, Throwable failure) {
        return new FanOutReport.Sink(bytes, Mechanism.of(mechanism), Native.listOf(Attempt.class, attempts), failure);
    }
}
