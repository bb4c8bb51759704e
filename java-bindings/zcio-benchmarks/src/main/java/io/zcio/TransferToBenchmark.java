package io.zcio;

import java.io.IOException;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** File to TCP: what one {@code transferTo} costs, from a few bytes to many. */
public class TransferToBenchmark extends ChannelBenchmark {
    /** Bytes a call. */
    @Param({"512", "4096", "65536", "1048576", "1073741824"})
    public long size;

    @Override
    protected long size() {
        return size;
    }

    /** Until everything has gone. */
    @Benchmark
    public long transferTo() throws IOException {
        long moved = 0;
        while (moved < size) {
            moved += stage.file.transferTo(moved, size - moved, stage.socket);
        }
        return moved;
    }
}
