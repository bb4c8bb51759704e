package io.zcio;

import java.io.IOException;
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

/** TCP to file: what {@code transferFrom} costs, into pages that are in the cache already. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 3, jvmArgsAppend = {"-Xmx64m", "-XX:MaxDirectMemorySize=8m"})
public class TransferFromBenchmark {
    /** Whose channel. */
    @Param({"nio", "zcio"})
    public String by;

    /** Bytes a call. */
    @Param({"65536", "67108864"})
    public long size;

    private Stage stage;

    /** Opens everything. */
    @Setup
    public void open() throws IOException {
        stage = new Stage(by, size, false);
    }

    /** Closes everything. */
    @TearDown
    public void close() throws IOException {
        stage.close();
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
