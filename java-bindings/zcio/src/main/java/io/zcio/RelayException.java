package io.zcio;

import java.io.IOException;
import java.util.Optional;
import java.util.OptionalInt;

/** A relay that failed or was stopped, with what both directions had done until then. */
public class RelayException extends TransferException {
    private static final long serialVersionUID = 1L;

    /** What had happened. */
    private final transient RelayReport report;
    /** Bytes taken and not delivered on the way back. */
    private final byte[] backward;

    RelayException(IOException cause, RelayReport report, byte[] forward, byte[] backward) {
        super(cause.getMessage(), report.bytes(), errnoOf(cause), forward, null);
        initCause(cause);
        this.report = report;
        this.backward = backward;
    }

    private static int errnoOf(IOException cause) {
        OptionalInt errno = cause instanceof TransferException e ? e.errno() : OptionalInt.empty();
        return errno.orElse(0);
    }

    /**
     * What had happened until then; {@link #moved} is the sum of both directions.
     *
     * @return the report; empty in an exception that was serialized
     */
    public Optional<RelayReport> relayReport() {
        return Optional.ofNullable(report);
    }

    /**
     * Bytes that were taken out of the second socket and not delivered to the first. Those of the other direction are
     * {@link #undelivered}.
     *
     * @return a new array
     */
    public byte[] undeliveredBackward() {
        return backward.clone();
    }
}
