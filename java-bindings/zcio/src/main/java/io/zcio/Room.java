package io.zcio;

/** What is done about the room for what will be stored in a {@link MappedRegion}, when it is made. */
public enum Room {
    /** What the kernel does by itself: memory is counted, storage in a file is found when a store needs it. */
    USUAL,
    /**
     * Every byte has its storage in the file at once, see posix_fallocate(3): a full disk is an exception now and no
     * {@link InternalError} at a store. For read-write regions of files.
     */
    RESERVED,
    /**
     * The memory for stores is not even counted ({@code MAP_NORESERVE}): for a region larger than memory, of which little will be
     * written. If memory runs out later, the kernel ends a process. For private regions and such of no file.
     */
    NOT_RESERVED
}
