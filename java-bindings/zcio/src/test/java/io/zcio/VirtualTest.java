package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What virtual threads need: on one carrier, one waits for a peer and another is that peer. */
@Timeout(300)
class VirtualTest {
    @TempDir
    Path directory;

    /** Runs with a single carrier; would hang if a waiting thread held it. */
    static final class OneCarrier {
        private static final byte[] CONTENT = Ends.pattern(5 << 20);

        public static void main(String[] arguments) throws Exception {
            Path file = Files.write(Path.of(arguments[0], "content"), CONTENT);
            Path sink = Path.of(arguments[0], "sink");
            // To a socket that is read by a virtual thread, and from one that is written by one.
            for (Ends.Pair pair : new Ends.Pair[] {Ends.tcp(), Ends.unix()}) {
                both(() -> Transfer.from(file).to(pair.near()).run(), () -> {
                    require(CONTENT, read(pair.far()));
                });
                both(() -> Transfer.from(pair.near()).to(sink).count(CONTENT.length).run(),
                        () -> Ends.writeAll(pair.far(), CONTENT));
                require(CONTENT, Files.readAllBytes(sink));
            }
            Pipe pipe = Pipe.open();
            both(() -> Transfer.from(pipe.source()).to(sink).count(CONTENT.length).run(),
                    () -> Transfer.from(file).to(pipe.sink()).run());
            require(CONTENT, Files.readAllBytes(sink));
            Ends.Pair left = Ends.tcp();
            Ends.Pair right = Ends.unix();
            both(() -> Relay.between(left.near(), right.near()).run(), () -> {
                both(() -> {
                    Ends.writeAll(left.far(), CONTENT);
                    left.far().shutdownOutput();
                }, () -> require(CONTENT, read(right.far())));
                right.far().shutdownOutput();
            });
            Ends.Pair one = Ends.tcp();
            Ends.Pair two = Ends.tcp();
            both(() -> FanOut.from(file).to(one.near()).to(two.near()).run(), () -> both(
                    () -> require(CONTENT, read(one.far())), () -> require(CONTENT, read(two.far()))));
            Ends.Pair batched = Ends.tcp();
            both(() -> {
                try (Batch batch = new Batch()) {
                    batch.run(java.util.List.of(Batch.from(file).to(batched.near())));
                }
            }, () -> require(CONTENT, read(batched.far())));
            // A blocking transfer blocks also on a socket that a virtual thread made non-blocking.
            Ends.Pair used = Ends.tcp();
            join(Virtual.start(quiet(() -> used.near().write(ByteBuffer.wrap(new byte[1])))));
            used.far().read(ByteBuffer.allocate(1));
            Thread reader = Virtual.start(quiet(() -> {
                Thread.sleep(300);
                require(CONTENT, read(used.far()));
            }));
            long bytes = Transfer.from(file).to(used.near()).run().bytes();
            join(reader);
            System.out.println("done, " + bytes + " bytes");
        }

        private static byte[] read(SocketChannel from) throws Exception {
            ByteBuffer buffer = ByteBuffer.allocate(CONTENT.length);
            while (buffer.hasRemaining() && from.read(buffer) >= 0) {}
            return Arrays.copyOf(buffer.array(), buffer.position());
        }

        private interface Work {
            void run() throws Exception;
        }

        /** Two virtual threads, the second of which begins when the first one waits. */
        private static void both(Work first, Work second) throws Exception {
            Thread waiting = Virtual.start(quiet(first));
            Thread other = Virtual.start(quiet(second));
            join(waiting);
            join(other);
        }

        private static void join(Thread thread) throws Exception {
            thread.join(60_000);
            if (thread.isAlive()) {
                System.out.println("hangs: " + Arrays.toString(thread.getStackTrace()));
                System.exit(3);
            }
        }

        private static Runnable quiet(Work work) {
            return () -> {
                try {
                    work.run();
                } catch (Throwable e) {
                    e.printStackTrace(System.out);
                    System.exit(2);
                }
            };
        }

        private static void require(byte[] expected, byte[] actual) {
            if (!Arrays.equals(expected, actual)) {
                throw new AssertionError("other bytes: " + actual.length + " of " + expected.length);
            }
        }
    }

    @Test
    void aWaitingThreadDoesNotHoldItsCarrier() throws Exception {
        Assumptions.assumeTrue(Virtual.EXIST, "no virtual threads before 21");
        String said = Child.of(OneCarrier.class, directory.toString())
                .property("jdk.virtualThreadScheduler.parallelism", 1)
                .property("jdk.virtualThreadScheduler.maxPoolSize", 1)
                .run();
        assertTrue(said.contains("done, " + (5 << 20) + " bytes"), said);
    }

    @Test
    void thousandsWaitWithoutThreadsOfTheirOwn() throws Exception {
        Assumptions.assumeTrue(Virtual.EXIST, "no virtual threads before 21");
        int count = 500;
        Ends.Pair[] pairs = new Ends.Pair[count];
        Thread[] threads = new Thread[count];
        for (int i = 0; i < count; i++) {
            Ends.Pair pair = pairs[i] = Ends.unix();
            Path sink = directory.resolve("sink" + i);
            threads[i] = Virtual.start(() -> {
                try {
                    Transfer.from(pair.near()).to(sink).run();
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            });
        }
        Thread.sleep(500);
        int platform = Thread.activeCount();
        assertTrue(platform < 50, () -> platform + " platform threads");
        for (int i = 0; i < count; i++) {
            Ends.writeAll(pairs[i].far(), new byte[] {(byte) i});
            pairs[i].far().close();
        }
        for (int i = 0; i < count; i++) {
            threads[i].join(60_000);
            assertEquals((byte) i, Files.readAllBytes(directory.resolve("sink" + i))[0]);
            pairs[i].close();
        }
    }

    /** A channel's number may be somebody else's by the time that a thread stops waiting for it. */
    @Test
    void aFifosChannelThatIsClosedDisturbsNobody() throws Exception {
        Assumptions.assumeTrue(Virtual.EXIST, "no virtual threads before 21");
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        for (int i = 0; i < 20; i++) {
            Path sink = Files.write(directory.resolve("sink"), new byte[0]);
            try (Ends.Pair pair = Ends.tcp(); FileChannel out = FileChannel.open(sink, StandardOpenOption.WRITE)) {
                FileChannel in = FileChannel.open(fifo, StandardOpenOption.READ, StandardOpenOption.WRITE);
                CompletableFuture<Object> first = waiting(() -> Transfer.from(in).to(directory.resolve("nothing")).run(), 1);
                in.close();
                CompletableFuture<Object> second = waiting(() -> Transfer.from(pair.near()).to(out).run(), 1);
                assertInstanceOf(AsynchronousCloseException.class, first.get(60, TimeUnit.SECONDS));
                Ends.writeAll(pair.far(), new byte[] {5});
                pair.far().close();
                assertEquals(1, ((Report) second.get(60, TimeUnit.SECONDS)).bytes());
            }
        }
    }

    /** What a virtual thread's work gives or throws; once so many or more of them wait. */
    private static CompletableFuture<Object> waiting(Ends.Work<?> work, int threads) throws InterruptedException {
        CompletableFuture<Object> answer = new CompletableFuture<>();
        Virtual.start(() -> {
            try {
                answer.complete(work.run());
            } catch (Throwable e) {
                answer.complete(e);
            }
        });
        while (Poller.waiting() < threads && !answer.isDone()) {
            Thread.sleep(1);
        }
        return answer;
    }
}
