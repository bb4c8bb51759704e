package io.zcio;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What a copy did.
 *
 * @param bytes     bytes of data that were moved or shared; the file's size is this and {@code holes} together
 * @param holes     bytes that are a hole in the copy as in the source; 0 for a clone, where holes are kept and not counted
 * @param cloned    whether the copy shares the blocks of its source
 * @param mechanism the mechanism that moved the last bytes; empty for a file without data
 * @param attempts  mechanisms that refused, each one once; cannot be changed
 * @param elapsed   time from the start to the end
 */
public record CopyReport(
        long bytes,
        long holes,
        boolean cloned,
        Optional<Mechanism> mechanism,
        List<Attempt> attempts,
        Duration elapsed) {}
