package io.zcio;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongPredicate;

/** The bridge to the native code's batches. Not an API. */
final class NativeBatch {
    static {
        NativeLibrary.bind(NativeBatch.class, "NativeBatch");
    }

    private NativeBatch() {}

    /** Makes what batches need and gives back a handle. */
    static native long make(boolean snapshot);

    /**
     * Runs a batch.
     *
     * @param ends   each end once
     * @param paths  their paths; null for those that are channels
     * @param places for each item the places of its source and its sink among the ends
     * @param ranges for each item its offset and its count; a negative count for all
     */
    static native Object run(long handle, Object[] ends, byte[][] paths, int[] places, long[] ranges, LongPredicate watch)
            throws IOException;

    /** Must be the last call with this handle. */
    static native void free(long handle);

    /** Called by the native code. */
    static Object report(Object[] items, Object refusal, long calls, long waits, long nanoseconds) {
        return new BatchReport(
                Native.listOf(BatchReport.Result.class, items),
                Optional.ofNullable((Attempt) refusal),
                calls, waits, Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static Object result(long bytes, long requested, String mechanism, Throwable failure) {
        return new BatchReport.Result(
                bytes,
                requested < 0 ? OptionalLong.empty() : OptionalLong.of(requested),
                Optional.ofNullable(mechanism).map(Mechanism::of),
                Optional.ofNullable(failure));
    }
}
