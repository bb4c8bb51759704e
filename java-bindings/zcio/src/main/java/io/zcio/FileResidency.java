package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/**
 * How many pages of a range of a file are in the page cache: whether reading it would wait for a disk. The answer is of one
 * moment; asking reads nothing from the disk.
 *
 * @param present   pages in the cache
 * @param total     pages that the range touches, as far as the file goes
 * @param countedBy the system call that counted them: {@code "cachestat"} or {@code "mincore"}
 */
public record FileResidency(long present, long total, String countedBy) {
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
     * @param length its length in bytes; what is behind the end of the file does not count
     * @return the answer
     * @throws IllegalArgumentException if a number is negative, or the file is not a regular one
     * @throws IOException              if the file cannot be opened, or belongs to somebody else, of whose files the kernel
     *                                  does not tell
     */
    public static FileResidency of(Path path, long offset, long length) throws IOException {
        return of(End.of(path), offset, length);
    }

    /**
     * Of an open file.
     *
     * @param channel a channel of the JDK's own
     * @param offset  where the range begins, in bytes
     * @param length  its length in bytes; what is behind the end of the file does not count
     * @return the answer
     * @throws IllegalArgumentException if a number is negative, or the file is not a regular one
     * @throws IOException              if the channel is closed, or the file belongs to somebody else, of whose files the
     *                                  kernel does not tell
     */
    public static FileResidency of(FileChannel channel, long offset, long length) throws IOException {
        return of(End.of(channel), offset, length);
    }

    private static FileResidency of(End end, long offset, long length) throws IOException {
        End.requireNotNegative(offset, "offset");
        End.requireNotNegative(length, "length");
        try (End.Hold held = end.hold()) {
            Object[] answer = NativeCopy.residency(PackedEnds.object(end), PackedEnds.kind(end), offset, length);
            return Packed.read(answer, Reports::fileResidency);
        }
    }
}
