package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Objects;

/**
 * How many pages of a range of a file are in the page cache: whether reading it would wait for a disk. The answer is of one
 * moment; asking reads nothing from the disk.
 */
public final class FileResidency {
    private final long present;
    private final long total;
    private final CountedBy countedBy;

    FileResidency(long present, long total, CountedBy countedBy) {
        this.present = present;
        this.total = total;
        this.countedBy = countedBy;
    }

    /** {@return pages in the cache} */
    public long present() {
        return present;
    }

    /** {@return pages that the range touches, as far as the file goes} */
    public long total() {
        return total;
    }

    /** {@return the system call that counted them} */
    public CountedBy countedBy() {
        return countedBy;
    }

    /**
     * Whether reading the range would not have to wait for a disk. True of an empty range.
     *
     * @return true if every page is in the cache
     */
    public boolean isComplete() {
        return present >= total;
    }

    /**
     * Of a file by its path.
     *
     * @param path   a path of the default file system
     * @param offset where the range begins, in bytes
     * @param size   in bytes; what is behind the end of the file does not count
     * @return the answer
     * @throws IllegalArgumentException if a number is negative, or the file is not a regular one
     * @throws IOException              if the file cannot be opened, or belongs to somebody else, of whose files the kernel
     *                                  does not tell
     */
    public static FileResidency of(Path path, long offset, long size) throws IOException {
        return of(End.of(path), offset, size);
    }

    /**
     * Of an open file.
     *
     * @param channel a channel of the JDK's own
     * @param offset  where the range begins, in bytes
     * @param size    in bytes; what is behind the end of the file does not count
     * @return the answer
     * @throws IllegalArgumentException if a number is negative, or the file is not a regular one
     * @throws IOException              if the channel is closed, or the file belongs to somebody else, of whose files the
     *                                  kernel does not tell
     */
    public static FileResidency of(FileChannel channel, long offset, long size) throws IOException {
        return of(End.of(channel), offset, size);
    }

    private static FileResidency of(End end, long offset, long size) throws IOException {
        End.requireNotNegative(offset, "offset");
        End.requireNotNegative(size, "size");
        try (End.Hold held = end.hold()) {
            Object[] answer = NativeCopy.residency(PackedEnds.object(end), PackedEnds.kind(end), offset, size);
            return Packed.read(answer, Reports::fileResidency);
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof FileResidency that
                && present == that.present
                && total == that.total
                && countedBy == that.countedBy;
    }

    @Override
    public int hashCode() {
        return Objects.hash(present, total, countedBy);
    }

    @Override
    public String toString() {
        return Packed.shown("FileResidency", "present", present, "total", total, "countedBy", countedBy);
    }
}
