package io.zcio;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A mapped file, read word by word, and mapped and closed: NIO's buffer and our region. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 3, jvmArgsAppend = "-Xmx64m")
public class RegionBenchmark {
    private static final int SIZE = 16 << 20;

    private Path path;
    private FileChannel file;
    private MappedByteBuffer buffer;
    private MappedRegion region;
    /** The only way to close a mapping of NIO's: {@code Unsafe.invokeCleaner}, which crashes whoever still uses it. */
    private MethodHandle clean;

    /** Maps a file in both ways. */
    @Setup
    public void open() throws IOException, ReflectiveOperationException {
        path = Files.write(Files.createTempFile("zcio-benchmark", ""), new byte[SIZE]);
        file = FileChannel.open(path);
        buffer = file.map(MapMode.READ_ONLY, 0, SIZE);
        buffer.order(ByteOrder.nativeOrder());
        region = MappedRegion.open(path, MapMode.READ_ONLY);
        region.order(ByteOrder.nativeOrder());
        Class<?> type = Class.forName("sun.misc.Unsafe");
        Field unsafe = type.getDeclaredField("theUnsafe");
        unsafe.setAccessible(true);
        clean = MethodHandles.lookup()
                .findVirtual(type, "invokeCleaner", MethodType.methodType(void.class, ByteBuffer.class))
                .bindTo(unsafe.get(null));
    }

    /** Closes everything. */
    @TearDown
    public void close() throws IOException {
        region.close();
        file.close();
        Files.delete(path);
    }

    /** Every word of 16 MiB. */
    @Benchmark
    public long scanNio() {
        long sum = 0;
        for (int at = 0; at < SIZE; at += Long.BYTES) {
            sum += buffer.getLong(at);
        }
        return sum;
    }

    /** The same by offsets that may lie beyond 2 GiB. */
    @Benchmark
    public long scanZcio() {
        long sum = 0;
        for (long at = 0; at < SIZE; at += Long.BYTES) {
            sum += region.getLong(at);
        }
        return sum;
    }

    /** One page of the file. */
    @Benchmark
    public byte mapCloseNio() throws Throwable {
        MappedByteBuffer mapped = file.map(MapMode.READ_ONLY, 0, 4096);
        byte first = mapped.get(0);
        clean.invokeExact((ByteBuffer) mapped);
        return first;
    }

    /** One page of the file, in a region that can be closed at any time. */
    @Benchmark
    public byte mapCloseZcio() throws IOException {
        try (MappedRegion mapped = MappedRegion.map(file, MapMode.READ_ONLY, 0, 4096)) {
            return mapped.get(0);
        }
    }
}
