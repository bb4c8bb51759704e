package io.zcio;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongPredicate;

/** The bridge to the native code's copies of files. Not an API. */
final class NativeCopy {
    /** Bits of the options, above the two that number the {@link Reflink}. */
    static final int MODE = 4;

    static final int TIMES = 8;
    static final int ATOMIC = 16;
    static final int DURABLE = 32;
    static final int CREATE_NEW = 64;

    static {
        NativeLibrary.bind(NativeCopy.class, "NativeCopy");
    }

    private NativeCopy() {}

    /** Copies a file. */
    static native Object run(
            Object source, byte[] sourcePath, Object destination, byte[] destinationPath, int options, LongPredicate watch)
            throws IOException;

    /** What is in the page cache of a file, given as a path or as a channel. */
    static native Object residency(Object file, byte[] path, long offset, long length) throws IOException;

    /** Called by the native code. */
    static Object report(
            long bytes, long holes, boolean cloned, String mechanism, Object[] attempts, long nanoseconds) {
        return new CopyReport(
                bytes,
                holes,
                cloned,
                Optional.ofNullable(mechanism).map(Mechanism::of),
                Native.listOf(Attempt.class, attempts),
                Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static Object residency(long present, long total, String countedBy) {
        return new FileResidency(present, total, countedBy);
    }
}
