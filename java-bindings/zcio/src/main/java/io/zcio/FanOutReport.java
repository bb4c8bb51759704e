package io.zcio;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What happened in a fan-out, so far or to the end.
 *
 * @param bytes       bytes that every sink has which did not fail; when all failed, those of the one that came furthest
 * @param requested   bytes that were asked for; empty if it was to run to the end of the source
 * @param mechanism   how the bytes were taken and shared in the end: splice (with tee(2)), or read_write
 * @param attempts    what refused to take or to share them, and why; cannot be changed
 * @param sinks       the sinks, in the order they were given; cannot be changed
 * @param systemCalls system calls made, waits included
 * @param waits       calls of poll(2) made to wait; a fan-out on a virtual thread parks instead
 * @param elapsed     time from the first step to the last
 */
public record FanOutReport(
        long bytes,
        OptionalLong requested,
        Mechanism mechanism,
        List<Attempt> attempts,
        List<Sink> sinks,
        long systemCalls,
        long waits,
        Duration elapsed) {
    /**
     * One sink of a fan-out.
     *
     * @param bytes     bytes it took
     * @param mechanism how they were delivered last
     * @param attempts  what refused on the way to this sink; cannot be changed
     * @param failure   why it was dropped; null if it was not
     */
    public record Sink(long bytes, Mechanism mechanism, List<Attempt> attempts, Throwable failure) {
        /**
         * Why it was dropped, if it was.
         *
         * @return the exception
         */
        public Optional<Throwable> failed() {
            return Optional.ofNullable(failure);
        }
    }
}
