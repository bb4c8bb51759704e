package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A progress listener does to the ends, to the stepper and to the operation that call it whatever it likes. */
@Timeout(120)
class ListenerTest {
    private static final byte[] CONTENT = Ends.pattern(1 << 20);

    @TempDir
    Path directory;

    enum Drive {
        RUN, STEPPED, VIRTUAL
    }

    enum Operation {
        TRANSFER, FAN_OUT, RELAY
    }

    enum Deed {
        CLOSES_THE_SOURCE, CLOSES_THE_SINK, CLOSES_THE_STEPPER, STEPS, ASKS_FOR_THE_REPORT, TAKES_THE_UNDELIVERED, INTERRUPTS,
        THROWS, CANCELS, RUNS_ANOTHER;

        boolean needsStepper() {
            return this == CLOSES_THE_STEPPER || this == STEPS || this == ASKS_FOR_THE_REPORT || this == TAKES_THE_UNDELIVERED;
        }
    }

    /** All at once, because each one waits until a listener is told. */
    @TestFactory
    Stream<DynamicTest> whateverItDoes() {
        record Cell(String name, CompletableFuture<Void> result) {}
        return Arrays.stream(Operation.values())
                .flatMap(operation -> Arrays.stream(Drive.values())
                        .filter(drive -> drive != Drive.VIRTUAL || Virtual.EXIST)
                        .flatMap(drive -> Arrays.stream(Deed.values())
                                .filter(deed -> !deed.needsStepper() || drive == Drive.STEPPED)
                                .map(deed -> {
                                    String name = operation + ", " + drive + ": a listener " + deed;
                                    return new Cell(name, start(operation, drive, deed));
                                })))
                .toList()
                .stream()
                .map(cell -> DynamicTest.dynamicTest(cell.name, () -> {
                    try {
                        cell.result.orTimeout(30, TimeUnit.SECONDS).join();
                    } catch (CompletionException e) {
                        throw e.getCause();
                    }
                }));
    }

    private CompletableFuture<Void> start(Operation operation, Drive drive, Deed deed) {
        return Ends.background(() -> {
            Path file = Files.write(directory.resolve(operation + "-" + drive + "-" + deed), CONTENT);
            try (Ends.Pair in = Ends.unix();
                    Ends.Pair out = Ends.unix();
                    FileChannel source = FileChannel.open(file)) {
                new Cell(operation, drive, deed, in, out, source).check();
            }
            return null;
        });
    }

    private static final class Cell {
        final Operation operation;
        final Drive drive;
        final Deed deed;
        final Ends.Pair in;
        final Ends.Pair out;
        final Channel source;
        final CancelToken token = new CancelToken();
        final RuntimeException thrown = new IllegalArgumentException("the listener's own");
        final CompletableFuture<Void> told = new CompletableFuture<>();
        volatile Stepper<?> stepper;
        volatile Throwable deedFailed;
        volatile long another;
        volatile byte[] taken = {};
        volatile int takenAt;

        Cell(Operation operation, Drive drive, Deed deed, Ends.Pair in, Ends.Pair out, FileChannel file) {
            this.operation = operation;
            this.drive = drive;
            this.deed = deed;
            this.in = in;
            this.out = out;
            source = operation == Operation.RELAY ? in.near() : file;
        }

        void check() throws Exception {
            CompletableFuture<byte[]> arrived = Ends.background(() -> {
                out.far().shutdownOutput();
                ByteBuffer first = ByteBuffer.allocate(8 << 10);
                while (first.hasRemaining() && out.far().read(first) >= 0) {}
                // It is told while the sink is full; on a virtual thread when there is room again.
                told.handle((nothing, failure) -> null).completeOnTimeout(null, 300, TimeUnit.MILLISECONDS).join();
                byte[] rest = Ends.readAll(out.far());
                return ByteBuffer.allocate(first.position() + rest.length).put(first.flip()).put(rest).array();
            });
            if (operation == Operation.RELAY) {
                Ends.background(() -> {
                    Ends.writeAll(in.far(), CONTENT);
                    in.far().shutdownOutput();
                    return null;
                });
            }
            CompletableFuture<Long> moved = drive == Drive.VIRTUAL ? new CompletableFuture<>() : Ends.background(this::operate);
            if (drive == Drive.VIRTUAL) {
                Virtual.start(() -> {
                    try {
                        moved.complete(operate());
                    } catch (Throwable e) {
                        moved.completeExceptionally(e);
                    }
                });
            }
            Throwable failure = moved.handle((bytes, e) -> e).join();
            out.near().close();
            byte[] received = arrived.join();
            told.get(1, TimeUnit.SECONDS);
            byte[] all = withTaken(received);
            assertArrayEquals(Arrays.copyOf(CONTENT, all.length), all);
            switch (deed) {
                case STEPS -> assertInstanceOf(IllegalStateException.class, deedFailed);
                case CLOSES_THE_STEPPER -> assertInstanceOf(IllegalStateException.class, failure);
                case CLOSES_THE_SOURCE, CLOSES_THE_SINK -> failedAs(
                        drive == Drive.STEPPED ? ClosedChannelException.class : AsynchronousCloseException.class,
                        failure,
                        received.length);
                case INTERRUPTS -> failedAs(ClosedByInterruptException.class, failure, received.length);
                case CANCELS -> failedAs(TransferCancelledException.class, failure, received.length);
                case THROWS -> {
                    assertSame(thrown, failure);
                    failedAs(IllegalArgumentException.class, failure, received.length);
                }
                default -> {}
            }
            if (deed == Deed.STEPS || deed == Deed.ASKS_FOR_THE_REPORT || deed == Deed.RUNS_ANOTHER) {
                assertArrayEquals(CONTENT, received, () -> String.valueOf(failure));
                assertEquals(CONTENT.length - another, moved.join());
            }
        }

        /** What arrived, with what the listener took in its place. */
        private byte[] withTaken(byte[] received) {
            ByteBuffer all = ByteBuffer.allocate(received.length + taken.length);
            all.put(received, 0, takenAt).put(taken).put(received, takenAt, received.length - takenAt);
            return all.array();
        }

        private void failedAs(Class<? extends Throwable> type, Throwable failure, long received) {
            assertEquals(type, failure == null ? null : failure.getClass(), () -> String.valueOf(failure));
            Throwable count = failure instanceof TransferException
                    ? failure
                    : deed == Deed.THROWS ? failure.getSuppressed()[0] : failure.getCause();
            assertEquals(received, assertInstanceOf(TransferException.class, count).moved());
        }

        private long operate() throws Exception {
            LongConsumer listener = moved -> {
                if (!told.isDone()) {
                    told.complete(null);
                    act(moved);
                }
            };
            if (drive == Drive.STEPPED) {
                in.near().configureBlocking(false);
                out.near().configureBlocking(false);
            }
            switch (operation) {
                case TRANSFER -> {
                    Transfer transfer =
                            EndCalls.transfer(source, out.near()).offset(0).progress(listener).cancelledBy(token);
                    return drive == Drive.STEPPED ? stepped(transfer.start()).bytes() : transfer.run().bytes();
                }
                case FAN_OUT -> {
                    FanOut fanOut = EndCalls.fanOut(source, out.near()).progress(listener).cancelledBy(token);
                    return drive == Drive.STEPPED ? stepped(fanOut.start()).bytes() : fanOut.run().bytes();
                }
                default -> {
                    Relay relay = Relay.between(in.near(), out.near()).progress(listener).cancelledBy(token);
                    return drive == Drive.STEPPED ? stepped(relay.start()).bytes() : relay.run().bytes();
                }
            }
        }

        private <R> R stepped(Stepper<R> made) throws IOException {
            try (made) {
                stepper = made;
                return EndCalls.stepped(made);
            }
        }

        private void act(long moved) {
            try {
                switch (deed) {
                    case CLOSES_THE_SOURCE -> source.close();
                    case CLOSES_THE_SINK -> out.near().close();
                    case CLOSES_THE_STEPPER -> stepper.close();
                    case STEPS -> stepper.step();
                    case ASKS_FOR_THE_REPORT -> stepper.report();
                    case TAKES_THE_UNDELIVERED -> {
                        taken = stepper.undelivered();
                        takenAt = (int) moved;
                    }
                    case INTERRUPTS -> Thread.currentThread().interrupt();
                    case CANCELS -> token.cancel();
                    case THROWS -> throw thrown;
                    case RUNS_ANOTHER -> another = another();
                    default -> throw new AssertionError(deed);
                }
            } catch (IOException | IllegalStateException e) {
                deedFailed = e;
            }
        }

        /** With the same sink; nothing, so that the bytes can still be told apart. */
        private long another() throws IOException {
            return EndCalls.transfer(source, out.near()).count(0).run().bytes();
        }
    }

    /** The listener of the last word, when the native object has nothing left to do. */
    @Test
    void itClosesTheStepperAtTheEnd() throws Exception {
        Path file = Files.write(directory.resolve("file"), CONTENT);
        try (FileChannel source = FileChannel.open(file);
                FileChannel sink = FileChannel.open(
                        directory.resolve("sink"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            Stepper<?>[] stepper = new Stepper<?>[1];
            Stepper<Report> made = Transfer.from(source).to(sink).progress(moved -> stepper[0].close()).start();
            stepper[0] = made;
            while (!(made.step() instanceof Step.Done)) {}
            assertEquals(CONTENT.length, made.report().get().bytes());
            assertInstanceOf(Step.Done.class, made.step());
        }
    }

    /** Collected while its own step runs, a stepper is freed after it. */
    @Test
    void aStepperThatIsForgottenInItsStep() throws Exception {
        Path file = Files.write(directory.resolve("file"), CONTENT);
        for (int i = 0; i < 200; i++) {
            try (FileChannel source = FileChannel.open(file);
                    FileChannel sink = FileChannel.open(
                            directory.resolve("sink"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                assertTrue(Transfer.from(source).to(sink).start().step() instanceof Step.Moved);
            }
            if (i % 20 == 0) {
                System.gc();
            }
        }
    }
}
