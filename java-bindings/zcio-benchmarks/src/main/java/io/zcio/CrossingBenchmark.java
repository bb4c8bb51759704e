package io.zcio;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Warmup;

/** JNI itself: a call that finds at once that there is nothing to do, and one that makes an object. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(3)
public class CrossingBenchmark {
    /** Four numbers there, one back, and no system call. */
    @Benchmark
    public long numbers() {
        return NativeChannel.send(NativeChannel.SENDFILE, -1, -1, 0, 0);
    }

    /** A string back. */
    @Benchmark
    public String string() {
        return NativeLibrary.version();
    }
}
