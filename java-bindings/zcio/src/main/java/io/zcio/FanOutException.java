package io.zcio;

import java.io.IOException;
import java.util.Optional;

/** A fan-out that failed or was stopped, with what every sink had got until then. */
public class FanOutException extends TransferException {
    private static final long serialVersionUID = 1L;

    /** What had happened. */
    private final transient FanOutReport report;
    /** For each sink the bytes that were taken and not delivered to it. */
    private final byte[][] undelivered;

    FanOutException(IOException cause, FanOutReport report, byte[][] undelivered) {
        super(
                cause.getMessage(),
                report == null ? 0 : report.bytes(),
                cause instanceof TransferException e ? e.errno().orElse(0) : 0,
                undelivered.length == 0 ? new byte[0] : undelivered[0],
                null);
        initCause(cause);
        this.report = report;
        this.undelivered = undelivered;
    }

    /**
     * What had happened until then.
     *
     * @return the report; empty if nothing had, or in an exception that was serialized
     */
    public Optional<FanOutReport> fanOutReport() {
        return Optional.ofNullable(report);
    }

    /**
     * Bytes that were taken out of the source, a socket or a pipe, and not delivered to that sink. They follow the ones that
     * were. Empty for a sink that failed while others went on: they took its bytes with them.
     *
     * @param sink the sink, from 0 in the order they were given
     * @return a new array
     */
    public byte[] undelivered(int sink) {
        return undelivered[sink].clone();
    }
}
