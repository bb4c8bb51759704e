package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Reports: that they may grow, and that an exception has the one of the transfer that failed, whichever way it was run. */
class ReportsTest {
    private static final byte[] CONTENT = Ends.pattern(3 << 20);

    @TempDir
    Path directory;

    private Path source;

    @BeforeEach
    void fill() throws IOException {
        source = Files.write(directory.resolve("source"), CONTENT);
    }

    /** A public constructor, or a pattern of a record, would be somebody's who has not heard of the next part. */
    @TestFactory
    Stream<DynamicTest> mayGrow() {
        List<Class<?>> types = List.of(
                Report.class,
                Attempt.class,
                RelayReport.class,
                RelayReport.Way.class,
                FanOutReport.class,
                FanOutReport.Sink.class,
                CopyReport.class,
                BatchReport.class,
                BatchReport.Result.class,
                ReadsReport.class,
                ReadsReport.Result.class,
                FileResidency.class,
                RegionResidency.class);
        return types.stream().map(type -> dynamicTest(type.getSimpleName(), () -> {
            assertTrue(Modifier.isFinal(type.getModifiers()) && !type.isRecord());
            assertEquals(0, type.getConstructors().length);
        }));
    }

    @Test
    void areEqualIfTheirPartsAre() throws IOException {
        Path empty = Files.createFile(directory.resolve("empty"));
        CopyReport report = Copy.of(empty, directory.resolve("copy")).run();
        CopyReport same = new CopyReport(
                report.bytes(), report.holes(), report.cloned(), report.mechanism(), report.attempts(), report.elapsed());
        CopyReport other = new CopyReport(
                report.bytes() + 1, report.holes(), report.cloned(), report.mechanism(), report.attempts(), report.elapsed());
        assertEquals(report, same);
        assertEquals(report.hashCode(), same.hashCode());
        assertNotEquals(report, other);
        assertTrue(other.toString().startsWith("CopyReport[bytes=1, holes=0, "), other::toString);
    }

    private enum Way {
        RUN, WITH_A_LISTENER, VIRTUAL, STEPPED;

        static Stream<Way> each() {
            return Stream.of(values()).filter(way -> way != VIRTUAL || Virtual.EXIST);
        }

        void go(Transfer transfer) throws Exception {
            switch (this) {
                case RUN -> transfer.run();
                case WITH_A_LISTENER -> transfer.progress(moved -> {}).run();
                case VIRTUAL -> CountsTest.Drive.VIRTUAL.drive(transfer::run, null);
                case STEPPED -> {
                    try (Stepper<Report> stepper = transfer.start()) {
                        while (!(stepper.step() instanceof Step.Done)) {}
                    }
                }
            }
        }
    }

    /** A full disk in the middle, and a mechanism that is refused before. */
    @TestFactory
    Stream<DynamicTest> ofATransferThatFails() {
        return Way.each().map(way -> dynamicTest(way.toString(), () -> {
            try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
                TransferException e =
                        assertThrows(TransferException.class, () -> way.go(Transfer.from(source).to(full)));
                Report report = e.report().orElseThrow();
                assertEquals(e.moved(), report.bytes());
                assertTrue(report.systemCalls() > 0, report::toString);
            }
        }));
    }

    /** What is stopped says with NIO's exception, or that it was cancelled, why; and what it had done. */
    @TestFactory
    Stream<DynamicTest> ofATransferThatIsStopped() {
        return Way.each().filter(way -> way != Way.STEPPED).flatMap(way -> Stream.of(false, true)
                .map(closed -> dynamicTest(way + (closed ? ", closed" : ", cancelled"), () -> isStopped(way, closed))));
    }

    private void isStopped(Way way, boolean closed) throws IOException {
        CancelToken token = new CancelToken();
        Path large = Files.write(directory.resolve("large"), Ends.pattern(32 << 20));
        try (Ends.Pair pair = Ends.tcp()) {
            Ends.background(() -> {
                ByteBuffer some = ByteBuffer.allocate(1000);
                while (some.hasRemaining()) {
                    pair.far().read(some);
                }
                if (closed) {
                    pair.near().close();
                }
                token.cancel();
                return null;
            });
            Transfer transfer = Transfer.from(large).to(pair.near());
            TransferException count = closed
                    ? (TransferException) assertThrows(ClosedChannelException.class, () -> way.go(transfer)).getCause()
                    : assertThrowsExactly(TransferCancelledException.class, () -> way.go(transfer.cancelledBy(token)));
            assertEquals(count.moved(), count.report().orElseThrow().bytes());
            assertTrue(count.moved() >= 1000);
        }
    }

    @Test
    void aSerializedExceptionHasNone() throws Exception {
        TransferException e;
        try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
            e = assertThrows(TransferException.class, () -> Transfer.from(source).to(full).run());
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new ObjectOutputStream(bytes).writeObject(e);
        TransferException read = (TransferException)
                new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())).readObject();
        assertEquals(e.errno(), read.errno());
        assertTrue(read.report().isEmpty());
    }
}
