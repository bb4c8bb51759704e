package io.zcio;

/** Whether later changes to the source may show in bytes that are still on their way. */
public enum Visibility {
    /** They may: the receiver may be looking at the source's own pages. What zero-copy means, and the default. */
    ALIASED,
    /** They may not: every byte has been copied at least once when the transfer returns. */
    SNAPSHOT
}
