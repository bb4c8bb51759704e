package io.zcio;

import java.nio.channels.SelectableChannel;
import java.util.List;

/** What one {@linkplain Stepper#step step} did. */
public sealed interface Step {
    /** It is over. */
    record Done() implements Step {}

    /**
     * Bytes were moved; step again.
     *
     * @param bytes how many were delivered; 0 if something else was done that is worth another step
     */
    record Moved(long bytes) implements Step {}

    /**
     * Nothing can be moved until one of these channels is ready: register them with a selector, and step again when one of
     * them is selected. A channel is named once, with all its operations.
     *
     * @param interests what to wait for; cannot be changed
     */
    record Blocked(List<Interest> interests) implements Step {}

    /**
     * A channel and what it must become.
     *
     * @param channel       one of the channels that were given
     * @param operations {@link java.nio.channels.SelectionKey#OP_READ}, {@link java.nio.channels.SelectionKey#OP_WRITE}, or
     *                   both
     */
    record Interest(SelectableChannel channel, int operations) {}
}
