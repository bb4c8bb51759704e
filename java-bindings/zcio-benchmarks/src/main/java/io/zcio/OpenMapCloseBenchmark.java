package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Open, map, close: what the channel around the JDK's own costs where it only delegates. */
public class OpenMapCloseBenchmark extends ChannelBenchmark {
    /** Bytes a call. */
    @Param({"4096", "67108864"})
    public long size;

    @Override
    protected long size() {
        return size;
    }

    /** The mapping is left to the garbage collector, as NIO leaves it. */
    @Benchmark
    public byte openMapClose() throws IOException {
        try (FileChannel file = Stage.open(by, stage.path)) {
            return file.map(FileChannel.MapMode.READ_ONLY, 0, size).get(0);
        }
    }
}
