package io.zcio;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongPredicate;

/** The bridge to the native code's reads. Not an API. */
final class NativeReads {
    static {
        NativeLibrary.bind(NativeReads.class, "NativeReads");
    }

    private NativeReads() {}

    /** Makes what reads need and gives back a handle. */
    static native long make(int depth) throws IOException;

    /**
     * Makes reads.
     *
     * @param files  each file once
     * @param places for each read the place of its file among them, its offset, and the address and the length of its memory
     */
    static native Object run(long handle, Object[] files, long[] places, LongPredicate watch) throws IOException;

    /** Must be the last call with this handle. */
    static native void free(long handle);

    /** Called by the native code. */
    static Object report(long[] bytes, Object[] failures, Object refusal, long calls) {
        List<ReadsReport.Result> reads = new ArrayList<>(bytes.length);
        for (int i = 0; i < bytes.length; i++) {
            Throwable failure = failures == null ? null : (Throwable) failures[i];
            reads.add(new ReadsReport.Result(bytes[i], Optional.ofNullable(failure)));
        }
        return new ReadsReport(List.copyOf(reads), Optional.ofNullable((Attempt) refusal), calls);
    }
}
