package io.zcio;

import java.io.IOException;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A transfer that failed, with what had been done until then.
 *
 * <p>Where NIO has an exception of its own for the trouble, that one is thrown instead, as long as nothing has been moved.
 * When a transfer is stopped by an interrupt or by the closing of a channel, NIO's exception is thrown in any case, and a
 * {@code TransferException} is its {@linkplain Throwable#getCause() cause}.
 */
public class TransferException extends IOException {
    private static final long serialVersionUID = 1L;

    /** Bytes delivered before the failure. */
    private final long moved;
    /** The error number, 0 for none. */
    private final int errno;
    /** Bytes taken and not delivered. */
    private final byte[] undelivered;
    /** What had happened; null if nothing had, or if this was no transfer. */
    private final transient Report report;

    TransferException(String message, long moved, int errno, byte[] undelivered, Report report) {
        super(message);
        this.report = report;
        this.moved = moved;
        this.errno = errno;
        this.undelivered = undelivered;
    }

    /**
     * Bytes delivered to the sink before the failure.
     *
     * @return the number of bytes, 0 if there were none
     */
    public long moved() {
        return moved;
    }

    /**
     * What a {@link Transfer} had done until then: which mechanisms refused and why, system calls, waits.
     *
     * @return the report; empty if nothing had begun, for another operation (see {@link RelayException} and {@link
     *     FanOutException}), and in an exception that was serialized
     */
    public Optional<Report> report() {
        return Optional.ofNullable(report);
    }

    /**
     * The operating system's error number.
     *
     * @return the number, or empty if the operating system gave none
     */
    public OptionalInt errno() {
        return errno == 0 ? OptionalInt.empty() : OptionalInt.of(errno);
    }

    /**
     * Bytes that had been taken out of a socket or pipe and could not be delivered. They follow the ones that were, and can
     * be had nowhere else. Empty when the source is a file, which still has its bytes.
     *
     * @return a new array
     */
    public byte[] undelivered() {
        return undelivered.clone();
    }
}
