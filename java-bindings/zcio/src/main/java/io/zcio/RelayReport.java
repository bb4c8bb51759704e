package io.zcio;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What a relay did, so far or to the end.
 *
 * @param forward     from the first socket to the second
 * @param backward    from the second socket to the first
 * @param systemCalls system calls made, waits included
 * @param waits       calls of poll(2) made to wait; a relay on a virtual thread parks instead
 * @param elapsed     time from the first step to the last
 */
public record RelayReport(Way forward, Way backward, long systemCalls, long waits, Duration elapsed) {
    /**
     * One direction of a relay.
     *
     * @param bytes       bytes the receiving socket took
     * @param undelivered bytes taken out of the sending socket that the receiving one has not taken
     * @param mechanism   the mechanism in use last: splice, or read_write after a refusal
     * @param attempts    what refused, and why; cannot be changed
     * @param hasEnded    whether the sender ended, and its end was passed on after its last byte
     * @param failure     why it broke; null if it did not. After a failure no end is passed on
     */
    public record Way(
            long bytes, long undelivered, Mechanism mechanism, List<Attempt> attempts, boolean hasEnded, Throwable failure) {
        /**
         * Why it broke, if it did.
         *
         * @return the exception
         */
        public Optional<Throwable> failed() {
            return Optional.ofNullable(failure);
        }
    }

    /**
     * Bytes delivered in both directions.
     *
     * @return their number
     */
    public long bytes() {
        return forward.bytes + backward.bytes;
    }
}
