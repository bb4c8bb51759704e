package io.zcio;

/**
 * What becomes of the page cache during a transfer. Nothing, unless it is asked for.
 *
 * @param readAhead  the source file is read so many bytes ahead of the position (readahead(2)); 0 leaves it to the kernel.
 *                   For files on storage that is slower than the kernel's own read-ahead expects.
 * @param dropBehind pages are dropped when the transfer is done with them: of a source file what has been read, of a sink
 *                   file what has been written, once it is on its disk, which the transfer then waits for. Pages that were
 *                   in memory before the transfer came to them stay, unless the kernel does not tell (see {@link
 *                   ZeroCopyFileChannel#residency}). For large files that nobody will read again soon.
 */
public record CachePolicy(long readAhead, boolean dropBehind) {
    /** The kernel's own way. */
    public static final CachePolicy NONE = new CachePolicy(0, false);

    /**
     * A policy.
     *
     * @param readAhead  see above
     * @param dropBehind see above
     * @throws IllegalArgumentException if the window is negative
     */
    public CachePolicy {
        End.requireNotNegative(readAhead, "readAhead");
    }

    /** Whether it is {@link #NONE}. A record's own {@code equals} would, on 17, keep its class loader for ever. */
    boolean isNone() {
        return readAhead == 0 && !dropBehind;
    }
}
