package io.zcio;

/** Whether a copy of a file may share the blocks of its source. */
public enum Reflink {
    /** No: every byte of data gets a block of its own. */
    NEVER,
    /** Where the file system can (XFS, btrfs); the bytes are copied where not. */
    AUTO,
    /** Yes, or the copy fails with the file system's reason. */
    ALWAYS
}
