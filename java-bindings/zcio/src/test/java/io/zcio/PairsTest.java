package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kind of end to every kind of end, compared byte by byte at the receiver. */
class PairsTest {
    private static final int OPERATION_NOT_SUPPORTED = 95;

    @TempDir
    Path directory;

    static List<Arguments> pairs() {
        List<Arguments> pairs = new ArrayList<>();
        for (Ends.Kind source : Ends.Kind.values()) {
            for (Ends.Kind sink : Ends.Kind.values()) {
                pairs.add(Arguments.of(source, sink));
            }
        }
        return pairs;
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void everyByteArrives(Ends.Kind from, Ends.Kind to) throws Exception {
        for (int size : new int[] {0, 1, 65_537, 3 << 20}) {
            byte[] content = Ends.pattern(size);
            try (Ends.Source source = new Ends.Source(from, directory.resolve("source" + size), content);
                    Ends.Sink sink = new Ends.Sink(to, directory.resolve("sink" + size))) {
                Report report = sink.from(source.transfer()).run();
                assertArrayEquals(content, sink.received());
                assertEquals(size, report.bytes());
                assertEquals(OptionalLong.empty(), report.requested());
                assertTrue(report.automatic());
                assertFalse(report.isShort());
                assertTrue(report.systemCalls() > 0);
                if (source.end instanceof FileChannel channel) {
                    assertEquals(size, channel.position());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void everyMechanismWorksOrSaysNo(Ends.Kind from, Ends.Kind to) throws Exception {
        byte[] content = Ends.pattern(300_001);
        for (Mechanism mechanism : Mechanism.values()) {
            if (!Require.allowed(mechanism)) {
                continue;
            }
            if (mechanism == Mechanism.URING && to == Ends.Kind.PIPE) {
                // A pipe is opened again here so that writing to it never waits, and io_uring refuses one opened by name.
                continue;
            }
            try (Ends.Source source = new Ends.Source(from, directory.resolve("source"), content);
                    Ends.Sink sink = new Ends.Sink(to, directory.resolve("sink" + mechanism))) {
                Report report;
                try {
                    report = sink.from(source.transfer()).mechanism(mechanism).count(content.length).run();
                } catch (UnsupportedOperationException e) {
                    assertTrue(e.getMessage().contains(mechanism.mechanismName()), e.getMessage());
                    // The sender behind a stream source waits for somebody to read.
                    sink.from(source.transfer()).run();
                    assertArrayEquals(content, sink.received());
                    continue;
                } catch (TransferException e) {
                    // The temporary directory's file system cannot share blocks between files.
                    assertEquals(Mechanism.REFLINK, mechanism, e.toString());
                    assertEquals(OPERATION_NOT_SUPPORTED, e.errno().orElse(0), e.toString());
                    assertEquals(0, e.moved());
                    // A file that was not there is not made.
                    assertTrue(sink.end instanceof Path path ? Files.notExists(path) : sink.received().length == 0);
                    continue;
                }
                assertEquals(mechanism, report.mechanism());
                assertFalse(report.automatic());
                assertArrayEquals(content, sink.received());
            }
        }
    }
}
