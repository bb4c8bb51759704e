package io.zcio;

import java.util.Locale;

/**
 * What can be told to the kernel about a range of memory, see madvise(2) and {@link MappedRegion#advise}.
 *
 * <p>The {@linkplain #adviceName() lower-case names} are stable and the same in Rust, Java and Python. What the kernel cannot do
 * with a sort of memory, or does not know yet, it refuses with EINVAL.
 */
public enum Advice {
    /** No particular order of access: the default. */
    NORMAL,
    /** Random order: do not read ahead. */
    RANDOM,
    /** Front to back: read ahead further, and let pages go sooner. */
    SEQUENTIAL,
    /** Needed soon: start to read it in. */
    WILL_NEED,
    /** Not needed: let the pages go now. Private memory loses its content: it reads as zeroes, or as the file, next time. */
    DONT_NEED,
    /** As {@link #DONT_NEED}, for locked pages too (Linux 5.18). */
    DONT_NEED_LOCKED,
    /** Content no longer wanted: let pages go when memory is short. For private anonymous memory. */
    FREE,
    /** Let pages go and punch a hole into the file or shared memory behind them. */
    REMOVE,
    /** Not in children made by fork(2). */
    DONT_FORK,
    /** In children, too: undoes {@link #DONT_FORK}. */
    DO_FORK,
    /** Zeroes in children made by fork(2). For private anonymous memory. */
    WIPE_ON_FORK,
    /** Undoes {@link #WIPE_ON_FORK}. */
    KEEP_ON_FORK,
    /** May be merged with equal pages of others (KSM). */
    MERGEABLE,
    /** Undoes {@link #MERGEABLE}. */
    UNMERGEABLE,
    /** Use transparent huge pages. */
    HUGE_PAGE,
    /** Use none. */
    NO_HUGE_PAGE,
    /** Make huge pages of what is there now, and wait for it (Linux 6.1). */
    COLLAPSE,
    /** Not in a core dump. */
    DONT_DUMP,
    /** In a core dump: undoes {@link #DONT_DUMP}. */
    DO_DUMP,
    /** Used rarely: first to go when memory is short. */
    COLD,
    /** Reclaim now: file pages are dropped, others go to swap if there is any. Content is kept. */
    PAGE_OUT,
    /** Map every page for reading, now (Linux 5.14). */
    POPULATE_READ,
    /** Map every page for writing, now (Linux 5.14). */
    POPULATE_WRITE;

    /**
     * The stable lower-case name, such as {@code "will_need"}.
     *
     * @return the name
     */
    public String adviceName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
