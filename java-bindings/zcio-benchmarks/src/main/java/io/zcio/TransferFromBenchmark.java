package io.zcio;

import java.io.IOException;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** TCP to file: what {@code transferFrom} costs, into pages that are in the cache already. */
public class TransferFromBenchmark extends ChannelBenchmark {
    /** Bytes a call. */
    @Param({"65536", "67108864"})
    public long size;

    @Override
    protected long size() {
        return size;
    }

    @Override
    protected boolean sends() {
        return false;
    }

    /** Until everything has come. */
    @Benchmark
    public long transferFrom() throws IOException {
        long moved = 0;
        while (moved < size) {
            moved += stage.file.transferFrom(stage.socket, moved, size - moved);
        }
        return moved;
    }
}
