package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Open, map, close: what the channel around the JDK's own costs where it only delegates. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 3, jvmArgsAppend = {"-Xmx64m", "-XX:MaxDirectMemorySize=8m"})
public class OpenMapCloseBenchmark {
    /** Whose channel. */
    @Param({"nio", "zcio"})
    public String by;

    /** Bytes a call. */
    @Param({"4096", "67108864"})
    public long size;

    private Stage stage;

    /** Opens everything. */
    @Setup
    public void open() throws IOException {
        stage = new Stage(by, size, true);
    }

    /** Closes everything. */
    @TearDown
    public void close() throws IOException {
        stage.close();
    }

    /** The mapping is left to the garbage collector, as NIO leaves it. */
    @Benchmark
    public byte openMapClose() throws IOException {
        try (FileChannel file = Stage.open(by, stage.path)) {
            return file.map(FileChannel.MapMode.READ_ONLY, 0, size).get(0);
        }
    }
}
