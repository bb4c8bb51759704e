package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Steps in a selector loop: never waiting, always saying for what, and nothing lost. */
@Timeout(300)
class StepperTest {
    private static final byte[] CONTENT = Ends.pattern(3 << 20);

    @TempDir
    Path directory;

    private Path file() throws IOException {
        return Files.write(directory.resolve("content"), CONTENT);
    }

    private static <T extends SelectableChannel> T nonBlocking(T channel) throws IOException {
        channel.configureBlocking(false);
        return channel;
    }

    /** The loop that every user would write; gives back how often it was blocked. */
    private static int loop(Stepper<?> stepper) throws IOException {
        int blocked = 0;
        try (Selector selector = Selector.open()) {
            for (Step step = stepper.step(); !(step instanceof Step.Done); step = stepper.step()) {
                if (step instanceof Step.Blocked on) {
                    blocked++;
                    assertFalse(on.interests().isEmpty());
                    stepper.register(selector, step);
                    assertTrue(selector.select(60_000) > 0, "nothing was selected");
                    selector.selectedKeys().clear();
                }
            }
        }
        return blocked;
    }

    private static Step.Blocked untilBlocked(Stepper<?> stepper) throws IOException {
        Step step = stepper.step();
        while (step instanceof Step.Moved) {
            step = stepper.step();
        }
        return assertInstanceOf(Step.Blocked.class, step);
    }

    /** A source that has more while the sink is full, and a sink that has room while the source has nothing. */
    @Test
    void aSelectorLooksForWhatIsWaitedForAndForNothingElse() throws Exception {
        try (Ends.Pair in = Ends.unix();
                Ends.Pair out = Ends.unix();
                Selector selector = Selector.open()) {
            nonBlocking(in.far());
            nonBlocking(out.far());
            SelectionKey key = nonBlocking(in.near()).register(selector, SelectionKey.OP_READ, "attached");
            nonBlocking(out.near());
            ByteBuffer bytes = ByteBuffer.allocate(64 << 10);
            try (Stepper<Report> stepper = Transfer.from(in.near()).to(out.near()).start()) {
                Step.Blocked blocked = untilBlocked(stepper);
                while (blocked.interests().get(0).channel() == in.near()) {
                    in.far().write(bytes.clear());
                    blocked = untilBlocked(stepper);
                }
                while (in.far().write(bytes.clear()) > 0) {
                    continue;
                }
                stepper.register(selector, blocked);
                assertEquals(0, selector.selectNow(), "the source is readable, and nobody waits for that");
                while (selector.selectNow() == 0) {
                    assertTrue(out.far().read(bytes.clear()) >= 0);
                }
                assertEquals(Set.of(out.near().keyFor(selector)), selector.selectedKeys());
                selector.selectedKeys().clear();
                blocked = untilBlocked(stepper);
                while (blocked.interests().get(0).channel() != in.near()) {
                    out.far().read(bytes.clear());
                    blocked = untilBlocked(stepper);
                }
                stepper.register(selector, blocked);
                assertEquals(0, selector.selectNow(), "the sink is writable, and nobody waits for that");
                assertEquals("attached", key.attachment());
                in.far().close();
                assertEquals(1, selector.select(60_000));
                Step step = stepper.step();
                while (!(step instanceof Step.Done)) {
                    out.far().read(bytes.clear());
                    step = stepper.step();
                }
                stepper.register(selector, step);
                assertTrue(selector.keys().stream().allMatch(one -> one.interestOps() == 0));
            }
        }
    }

    /** Also until a selector has dropped the key, which it does when it selects. */
    @Test
    void aChannelThatIsClosedIsNotRegistered() throws Exception {
        try (Ends.Pair pair = Ends.unix();
                Selector selector = Selector.open();
                Stepper<Report> stepper = Transfer.from(file()).to(nonBlocking(pair.near())).start()) {
            Step.Blocked blocked = untilBlocked(stepper);
            stepper.register(selector, blocked);
            pair.near().close();
            assertThrowsExactly(ClosedChannelException.class, () -> stepper.register(selector, blocked));
            // Nothing is looked for any more.
            stepper.register(selector, new Step.Done());
            selector.selectNow();
            assertThrowsExactly(ClosedChannelException.class, () -> stepper.register(selector, blocked));
        }
    }

    @Test
    void aFileToASocket() throws Exception {
        try (Ends.Pair pair = Ends.unix(); FileChannel source = FileChannel.open(file())) {
            var received = Ends.background(() -> {
                Thread.sleep(200);
                return Ends.readAll(pair.far());
            });
            try (Stepper<Report> stepper = Transfer.from(source).to(nonBlocking(pair.near())).start()) {
                assertTrue(loop(stepper) > 0);
                assertEquals(CONTENT.length, stepper.report().get().bytes());
            }
            assertEquals(CONTENT.length, source.position());
            pair.near().close();
            assertArrayEquals(CONTENT, Ends.result(received));
        }
    }

    @Test
    void itSaysWhichEndAndWhatFor() throws Exception {
        try (Ends.Pair in = Ends.tcp(); Ends.Pair out = Ends.unix()) {
            try (Stepper<Report> stepper =
                    Transfer.from(nonBlocking(in.near())).to(nonBlocking(out.near())).start()) {
                Step.Blocked blocked = assertInstanceOf(Step.Blocked.class, stepper.step());
                assertEquals(List.of(new Step.Interest(in.near(), SelectionKey.OP_READ)), blocked.interests());
                Ends.background(() -> {
                    Ends.writeAll(in.far(), CONTENT);
                    return null;
                });
                Step step = blocked;
                while (!step.equals(new Step.Blocked(List.of(new Step.Interest(out.near(), SelectionKey.OP_WRITE))))) {
                    step = stepper.step();
                }
                // What it has taken and cannot deliver is not lost.
                byte[] undelivered = stepper.undelivered();
                int delivered = (int) stepper.report().get().bytes();
                assertTrue(undelivered.length > 0);
                assertArrayEquals(Arrays.copyOfRange(CONTENT, delivered, delivered + undelivered.length), undelivered);
                assertEquals(0, stepper.undelivered().length);
            }
            assertTrue(in.near().isOpen() && out.near().isOpen());
        }
    }

    @Test
    void pipes() throws Exception {
        Pipe pipe = Pipe.open();
        Path sink = directory.resolve("sink");
        var sent = Ends.background(() -> {
            try (var end = pipe.sink(); Stepper<Report> stepper = Transfer.from(file()).to(nonBlocking(end)).start()) {
                return loop(stepper);
            }
        });
        try (var end = pipe.source(); Stepper<Report> stepper = Transfer.from(nonBlocking(end)).to(sink).start()) {
            loop(stepper);
        }
        Ends.result(sent);
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
    }

    @Test
    void aRelay() throws Exception {
        try (Ends.Pair left = Ends.tcp(); Ends.Pair right = Ends.unix()) {
            byte[] answer = Ends.pattern(1 << 20);
            var there = Ends.background(() -> Ends.readAll(right.far()));
            var back = Ends.background(() -> Ends.readAll(left.far()));
            Ends.background(() -> {
                Ends.writeAll(left.far(), CONTENT);
                left.far().shutdownOutput();
                return null;
            });
            Ends.background(() -> {
                Ends.writeAll(right.far(), answer);
                right.far().shutdownOutput();
                return null;
            });
            try (Stepper<RelayReport> stepper =
                    Relay.between(nonBlocking(left.near()), nonBlocking(right.near())).start()) {
                loop(stepper);
                RelayReport report = stepper.report().get();
                assertEquals(CONTENT.length, report.forward().bytes());
                assertEquals(answer.length, report.backward().bytes());
                assertTrue(report.forward().hasEnded() && report.backward().hasEnded());
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> stepper.undelivered(2));
            }
            assertArrayEquals(CONTENT, Ends.result(there));
            assertArrayEquals(answer, Ends.result(back));
        }
    }

    @Test
    void aFanOut() throws Exception {
        try (Ends.Pair one = Ends.tcp(); Ends.Pair two = Ends.unix()) {
            var first = Ends.background(() -> Ends.readAll(one.far()));
            var second = Ends.background(() -> Ends.readAll(two.far()));
            Path copy = directory.resolve("copy");
            FanOut fanOut =
                    FanOut.from(file()).to(nonBlocking(one.near())).to(copy).to(nonBlocking(two.near()));
            try (Stepper<FanOutReport> stepper = fanOut.start()) {
                loop(stepper);
                assertEquals(CONTENT.length, stepper.report().get().bytes());
            }
            one.near().close();
            two.near().close();
            assertArrayEquals(CONTENT, Ends.result(first));
            assertArrayEquals(CONTENT, Ends.result(second));
            assertArrayEquals(CONTENT, Files.readAllBytes(copy));
        }
    }

    @Test
    void aBufferMovesOnWithEachStep() throws Exception {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        buffer.put(CONTENT, 0, buffer.capacity()).flip().position(5);
        try (Ends.Pair pair = Ends.unix();
                Stepper<Report> stepper = Transfer.from(buffer).to(nonBlocking(pair.near())).start()) {
            while (!(stepper.step() instanceof Step.Blocked)) {}
            assertEquals(5 + stepper.report().get().bytes(), buffer.position());
            var received = Ends.background(() -> Ends.readAll(pair.far()));
            loop(stepper);
            assertEquals(buffer.limit(), buffer.position());
            pair.near().close();
            assertArrayEquals(Arrays.copyOfRange(CONTENT, 5, buffer.capacity()), Ends.result(received));
        }
    }

    @Test
    void whatIsRefused() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            assertThrowsExactly(IllegalBlockingModeException.class, () -> Transfer.from(file()).to(pair.near()).start());
            assertThrowsExactly(IllegalArgumentException.class,
                    () -> Transfer.from(Path.of("/dev/null")).to(nonBlocking(pair.near())).start());
            Stepper<Report> stepper = Transfer.from(file()).to(nonBlocking(pair.near())).start();
            stepper.close();
            stepper.close();
            assertThrowsExactly(IllegalStateException.class, stepper::step);
            assertThrowsExactly(IllegalStateException.class, stepper::report);
            assertThrowsExactly(IllegalStateException.class, stepper::undelivered);
        }
    }

    @Test
    void closeAndInterruptBetweenTwoSteps() throws Exception {
        try (Ends.Pair pair = Ends.unix(); FileChannel source = FileChannel.open(file())) {
            try (Stepper<Report> stepper = Transfer.from(source).to(nonBlocking(pair.near())).start()) {
                assertInstanceOf(Step.Moved.class, stepper.step());
                source.close();
                // Whoever gets the number now must be left alone.
                try (FileChannel other = FileChannel.open(Files.write(directory.resolve("x"), new byte[9]),
                        StandardOpenOption.READ)) {
                    assertThrowsExactly(ClosedChannelException.class, stepper::step);
                    assertEquals(0, other.position());
                }
                assertTrue(pair.near().isOpen());
            }
            try (Stepper<Report> stepper = Transfer.from(file()).to(pair.near()).start()) {
                Thread.currentThread().interrupt();
                assertThrowsExactly(ClosedByInterruptException.class, stepper::step);
                assertTrue(Thread.interrupted());
                assertFalse(pair.near().isOpen());
            }
        }
    }
}
