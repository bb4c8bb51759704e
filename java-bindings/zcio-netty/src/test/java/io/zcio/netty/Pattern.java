package io.zcio.netty;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Content of any length in which every 8 bytes say where they are, so that no page can be in another's place. */
final class Pattern {
    private Pattern() {}

    private static ByteBuffer at(long offset, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        for (int i = 0; i < length; i += 8) {
            bytes.putLong(i, (offset + i) * 0x9E3779B97F4A7C15L);
        }
        return bytes;
    }

    /** A file of so many bytes, a multiple of 64 KiB, with the pattern in every so-manieth block and holes between. */
    static Path file(Path path, long length, int every) throws IOException {
        try (FileChannel file =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            for (long at = 0; at < length; at += 65536L * every) {
                file.write(at(at, 65536), at);
            }
            file.write(at(length - 65536, 65536), length - 65536);
        }
        return path;
    }

    /** Sends the pattern. */
    static void send(WritableByteChannel target, long length) throws IOException {
        for (long at = 0; at < length; at += 65536) {
            ByteBuffer bytes = at(at, (int) Math.min(65536, length - at) + 7 & ~7);
            bytes.limit((int) Math.min(65536, length - at));
            while (bytes.hasRemaining()) {
                target.write(bytes);
            }
        }
    }

    /** Reads so many bytes and compares them; gives back where the first difference is, or the length if there is none. */
    static long check(ReadableByteChannel source, long from, long length, int every) throws IOException {
        ByteBuffer block = ByteBuffer.allocateDirect(65536);
        long at = from;
        while (at < from + length) {
            long start = at - at % 65536;
            int within = (int) Math.min(65536 - (at - start), from + length - at);
            block.clear().limit(within);
            while (block.hasRemaining()) {
                if (source.read(block) < 0) {
                    return at + block.position() - from;
                }
            }
            boolean data = start / 65536 % every == 0 || start + 65536 >= from + length;
            ByteBuffer expected = data ? at(start, 65536) : ByteBuffer.allocate(65536);
            expected.position((int) (at - start)).limit((int) (at - start) + within);
            if (!block.flip().equals(expected)) {
                return at - from;
            }
            at += within;
        }
        return length;
    }
}
