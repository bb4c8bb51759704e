package io.zcio;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
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

/** What the benchmarks of channels have in common: NIO's and ours beside each other, in the heap that a small service has. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 3, jvmArgsAppend = {"-Xmx64m", "-XX:MaxDirectMemorySize=8m"})
public abstract class ChannelBenchmark {
    /** Whose channel. */
    @Param({"nio", "zcio"})
    public String by;

    /** The ends. */
    protected Stage stage;

    /** Bytes a call. */
    protected abstract long size();

    /** Whether bytes go to the socket, rather than come from it. */
    protected boolean sends() {
        return true;
    }

    /** Opens everything. */
    @Setup
    public void open() throws IOException {
        stage = new Stage(by, size(), sends());
    }

    /** Closes everything. */
    @TearDown
    public void close() throws IOException {
        stage.close();
    }
}
