package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** File to file, over the same bytes again and again. */
public class CopyBenchmark extends ChannelBenchmark {
    /** Bytes a call. */
    @Param({"65536", "67108864"})
    public long size;

    @Override
    protected long size() {
        return size;
    }

    /** To another file. */
    @Benchmark
    public long copy() throws IOException {
        Path path = stage.path.resolveSibling(stage.path.getFileName() + "-copy");
        try (FileChannel copy = Stage.open(by, path)) {
            long moved = 0;
            while (moved < size) {
                moved += stage.file.transferTo(moved, size - moved, copy.position(moved));
            }
            return moved;
        } finally {
            Files.deleteIfExists(path);
        }
    }
}
