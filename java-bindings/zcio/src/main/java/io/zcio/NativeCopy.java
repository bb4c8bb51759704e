package io.zcio;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** The bridge to the native code's copies of files. Not an API. */
final class NativeCopy {
    /** Bits of the options, above the two that number the {@link Reflink}. */
    static final int MODE = 4;

    static final int TIMES = 8;
    static final int ATOMIC = 16;
    static final int DURABLE = 32;
    static final int CREATE_NEW = 64;

    static {
        Native.load();
    }

    private NativeCopy() {}

    /** Copies a file. */
    static native CopyReport run(
            Object source, byte[] sourcePath, Object destination, byte[] destinationPath, int options, Watch watch)
            throws IOException;

    /** What is in the page cache of a file, given as a path or as a channel. */
    static native FileResidency residency(Object file, byte[] path, long offset, long length) throws IOException;

    /** Called by the native code. */
    static CopyReport report(
            long bytes, long holes, boolean cloned, String mechanism, Attempt[] attempts, long nanoseconds) {
        return new CopyReport(
                bytes,
                holes,
                cloned,
                Optional.ofNullable(mechanism).map(Mechanism::of),
                List.of(attempts),
                Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static FileResidency residency(long present, long total, String countedBy) {
        return new FileResidency(present, total, countedBy);
    }
}
