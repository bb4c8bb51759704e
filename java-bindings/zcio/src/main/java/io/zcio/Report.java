package io.zcio;

import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What happened in a transfer.
 *
 * @param bytes         bytes delivered to the sink
 * @param requested     bytes that were asked for; empty if the transfer was to run to the end of the source
 * @param mechanism     the mechanism that was in use last; when it was chosen automatically, the one that worked
 * @param automatic     whether the mechanism was chosen by zcio (true) or named by the caller (false)
 * @param attempts      mechanisms that were tried before and refused, in order; cannot be changed
 * @param systemCalls   system calls made to move bytes, waits included, opening and inspecting the ends excluded
 * @param waits         calls of poll(2) made to wait for one of the ends
 * @param copies        how often the CPU copied each byte between source and sink; empty where that cannot be known
 * @param copiesKnownBy where the knowledge about copies comes from: {@code "model"}, the way the mechanism works between
 *                      such ends; {@code "kernel"}, which said so itself; or {@code "unknown"}, it depends on the network
 *                      device or on the file system
 * @param elapsed       time from the first step to the last
 */
public record Report(
        long bytes,
        OptionalLong requested,
        Mechanism mechanism,
        boolean automatic,
        List<Attempt> attempts,
        long systemCalls,
        long waits,
        OptionalInt copies,
        String copiesKnownBy,
        Duration elapsed) {

    /**
     * Whether the source ended before the requested count was reached. That is no error: a range that reaches beyond the
     * end of a file moves what there is.
     *
     * @return true if fewer bytes were moved than asked for
     */
    public boolean isShort() {
        return requested.isPresent() && bytes < requested.getAsLong();
    }
}
