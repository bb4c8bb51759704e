package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Every way to drive an operation counts the same bytes: for the listener, the buffer, the report and the exception. */
@Timeout(60)
class CountsTest {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    @TempDir
    Path directory;

    private Path source;

    /** How an operation is driven to its end. */
    enum Drive {
        RUN {
            @Override
            <R> R drive(Started<R> run, Started<Stepper<R>> start) throws Exception {
                return run.get();
            }
        },
        STEPPED {
            @Override
            <R> R drive(Started<R> run, Started<Stepper<R>> start) throws Exception {
                try (Stepper<R> stepper = start.get()) {
                    return EndCalls.stepped(stepper);
                }
            }
        },
        VIRTUAL {
            @Override
            <R> R drive(Started<R> run, Started<Stepper<R>> start) throws Exception {
                CompletableFuture<R> result = new CompletableFuture<>();
                CompletableFuture<Exception> failed = new CompletableFuture<>();
                Virtual.start(() -> {
                    try {
                        result.complete(run.get());
                        failed.complete(null);
                    } catch (Exception e) {
                        failed.complete(e);
                    }
                });
                if (failed.join() != null) {
                    throw failed.join();
                }
                return result.join();
            }
        };

        interface Started<T> {
            T get() throws IOException;
        }

        abstract <R> R drive(Started<R> run, Started<Stepper<R>> start) throws Exception;

        static Stream<DynamicTest> each(Check check) {
            return each(check, values());
        }

        static Stream<DynamicTest> each(Check check, Drive... drives) {
            return Arrays.stream(drives)
                    .filter(drive -> drive != VIRTUAL || Virtual.EXIST)
                    .map(drive -> DynamicTest.dynamicTest(drive.name(), () -> check.of(drive)));
        }

        interface Check {
            void of(Drive drive) throws Exception;
        }
    }

    @BeforeEach
    void fill() throws IOException {
        source = Files.write(directory.resolve("source"), CONTENT);
    }

    private Path named(String name) {
        return directory.resolve(name);
    }

    @TestFactory
    Stream<DynamicTest> aFanOutTellsWhatEverySinkHas() {
        return Drive.each(drive -> {
            List<Long> told = new ArrayList<>();
            FanOut fanOut = FanOut.from(source).to(named("a")).to(named("b")).to(named("c")).progress(told::add);
            FanOutReport report = drive.drive(fanOut::run, fanOut::start);
            assertEquals(CONTENT.length, report.bytes());
            assertEquals(List.of(report.bytes()), told);
        });
    }

    @Test
    void aSteppedFanOutThatIsStoppedHasMovedWhatEverySinkHas() throws Exception {
        Path large = Files.write(named("large"), Ends.pattern(8 << 20));
        Ends.Pair pair = Ends.unix();
        try (pair) {
            pair.near().configureBlocking(false);
            try (Stepper<FanOutReport> stepper = FanOut.from(large).to(named("a")).to(pair.near()).start()) {
                while (!(stepper.step() instanceof Step.Blocked)) {}
                pair.near().close();
                IOException stopped = assertThrows(ClosedChannelException.class, stepper::step);
                TransferException count = assertInstanceOf(TransferException.class, stopped.getCause());
                assertEquals(stepper.report().get().bytes(), count.moved());
            }
        }
    }

    @TestFactory
    Stream<DynamicTest> aBufferStandsBehindWhatWasMoved() {
        return Drive.each(drive -> {
            for (LongConsumer listener : Arrays.<LongConsumer>asList(null, moved -> {})) {
                ByteBuffer buffer = ByteBuffer.allocateDirect(CONTENT.length).put(CONTENT).flip();
                Transfer transfer = Transfer.from(buffer).to(named("sink"));
                Report report = drive.drive((listener == null ? transfer : transfer.progress(listener))::run, transfer::start);
                assertEquals(CONTENT.length, report.bytes());
                assertEquals(CONTENT.length, buffer.position(), listener == null ? "no listener" : "with a listener");
            }
        });
    }

    /** A listener that throws when it is told the last count. */
    private static final class Thrower implements LongConsumer {
        final IllegalStateException thrown = new IllegalStateException("the listener's own");

        @Override
        public void accept(long moved) {
            throw thrown;
        }

        /** What was done is suppressed in it. */
        <R, E extends TransferException> E check(
                Class<E> type, Drive drive, Drive.Started<R> run, Drive.Started<Stepper<R>> start) {
            assertSame(thrown, assertThrows(IllegalStateException.class, () -> drive.drive(run, start)));
            assertEquals(1, thrown.getSuppressed().length);
            E suppressed = assertInstanceOf(type, thrown.getSuppressed()[0]);
            assertEquals(CONTENT.length, suppressed.moved());
            return suppressed;
        }
    }

    @TestFactory
    Stream<DynamicTest> theLastWordOfATransferCounts() {
        return Drive.each(drive -> {
            Thrower thrower = new Thrower();
            Transfer transfer = Transfer.from(source).to(named("sink")).progress(thrower);
            thrower.check(TransferException.class, drive, transfer::run, transfer::start);
            assertEquals(-1, Files.mismatch(source, named("sink")));
        });
    }

    @TestFactory
    Stream<DynamicTest> theLastWordOfAFanOutCounts() {
        return Drive.each(drive -> {
            Thrower thrower = new Thrower();
            FanOut fanOut = FanOut.from(source).to(named("a")).to(named("b")).progress(thrower);
            if (drive == Drive.STEPPED) {
                thrower.check(TransferException.class, drive, fanOut::run, fanOut::start);
            } else {
                FanOutReport report = thrower.check(FanOutException.class, drive, fanOut::run, fanOut::start).fanOutReport().get();
                report.sinks().forEach(sink -> assertEquals(CONTENT.length, sink.bytes()));
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> theLastWordOfARelayCounts() {
        return Drive.each(drive -> {
            try (Ends.Pair one = Ends.unix();
                    Ends.Pair other = Ends.unix()) {
                other.far().shutdownOutput();
                CompletableFuture<byte[]> arrived = Ends.background(() -> Ends.readAll(other.far()));
                Ends.background(() -> {
                    Ends.writeAll(one.far(), CONTENT);
                    one.far().shutdownOutput();
                    return null;
                });
                one.near().configureBlocking(drive != Drive.STEPPED);
                other.near().configureBlocking(drive != Drive.STEPPED);
                Thrower thrower = new Thrower();
                Relay relay = Relay.between(one.near(), other.near()).progress(thrower);
                if (drive == Drive.STEPPED) {
                    thrower.check(TransferException.class, drive, relay::run, relay::start);
                } else {
                    RelayReport report = thrower.check(RelayException.class, drive, relay::run, relay::start).relayReport().get();
                    assertEquals(CONTENT.length, report.forward().bytes());
                }
                assertArrayEquals(CONTENT, arrived.join());
            }
        });
    }

    /** Told before the file has its name, so that the exception leaves what any other leaves. */
    @TestFactory
    Stream<DynamicTest> theLastWordOfACopyCountsAndLeavesWhatWasThere() {
        return Drive.each(drive -> {
            byte[] old = "old".getBytes();
            for (boolean atomic : new boolean[] {true, false}) {
                Path copy = named("copy");
                for (boolean exists : atomic ? new boolean[] {true, false} : new boolean[] {false}) {
                    if (exists) {
                        Files.write(copy, old);
                    }
                    Thrower thrower = new Thrower();
                    Copy described = Copy.of(source, copy).atomic(atomic).progress(thrower);
                    thrower.check(TransferException.class, drive, described::run, null);
                    if (exists) {
                        assertArrayEquals(old, Files.readAllBytes(copy));
                        Files.delete(copy);
                    }
                    assertFalse(Files.exists(copy), "exists: " + exists + ", atomic: " + atomic);
                }
            }
            try (Stream<Path> left = Files.list(directory)) {
                assertEquals(List.of(source), left.toList());
            }
        }, Drive.RUN, Drive.VIRTUAL);
    }
}
