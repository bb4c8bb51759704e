package io.zcio;

import java.io.IOException;
import java.util.OptionalInt;

/**
 * An operation on a {@link MappedRegion} or a {@link SharedRegion} that failed: what the operating system refused, memory that is
 * gone because its file was cut short, a peer that is not the one expected, seals that are missing.
 */
public class RegionException extends IOException {
    private static final long serialVersionUID = 1L;

    /** The error number, 0 for none. */
    private final int errno;

    /** Called by the native code only. */
    RegionException(String message, int errno) {
        super(message);
        this.errno = errno;
    }

    /**
     * The operating system's error number: EFAULT (14) where there is no memory behind a page any more.
     *
     * @return the number, or empty if the operating system gave none
     */
    public OptionalInt errno() {
        return errno == 0 ? OptionalInt.empty() : OptionalInt.of(errno);
    }
}
