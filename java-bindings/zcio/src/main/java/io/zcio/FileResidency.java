package io.zcio;

/**
 * How much of a range of a file is in the page cache, at one moment.
 *
 * @param present   pages in the cache
 * @param total     pages that the range touches, as far as the file goes
 * @param countedBy the system call that counted them: {@code "cachestat"} or {@code "mincore"}
 */
public record FileResidency(long present, long total, String countedBy) {
    /**
     * Whether reading the range would not have to wait for a disk.
     *
     * @return true if every page is present, and of an empty range
     */
    public boolean isComplete() {
        return present >= total;
    }
}
