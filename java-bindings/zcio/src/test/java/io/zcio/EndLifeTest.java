package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.zcio.EndOperation.Answer;
import io.zcio.EndOperation.Drive;
import io.zcio.EndRow.Made;
import java.io.Closeable;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every kind of end, as source and as sink, in every operation, however it is driven: while bytes move another thread closes
 * it, whereupon its number becomes another file's, or makes it shorter or longer. The right bytes arrive, or there is an
 * error with the true count; no byte of another file, no success for less, and no other file changes.
 */
class EndLifeTest {
    static final int LENGTH = 1 << 20;
    /** What is read of it before the end is taken away. */
    private static final int FIRST = 32 << 10;
    private static final int OTHERS = 24;
    private static final int EBUSY = 16;
    private static final byte FOREIGN = (byte) 0xEE;

    @TempDir
    Path directory;

    private final byte[] content = content();
    private final byte[] foreign = new byte[64 << 10];
    private final List<FileChannel> others = new ArrayList<>();

    EndLifeTest() {
        Arrays.fill(foreign, FOREIGN);
    }

    /** Neither zeroes nor the bytes of others; each page is another one. */
    private static byte[] content() {
        byte[] bytes = new byte[LENGTH];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (1 + (i % 97 + (i >> 12) * 7) % 120);
        }
        return bytes;
    }

    enum Fault {
        LOST, RESIZED
    }

    @Test
    void everyKindOfEndHasARow() throws Exception {
        Set<End.Kind> kinds = EnumSet.noneOf(End.Kind.class);
        Set<End.Kind> sinks = EnumSet.noneOf(End.Kind.class);
        Set<Class<?>> types = new HashSet<>();
        for (EndRow row : EndRow.values()) {
            kinds.add(row.kind);
            if (row.canBeSink()) {
                sinks.add(row.kind);
            }
            types.add(row.type);
        }
        assertEquals(EnumSet.allOf(End.Kind.class), kinds);
        assertEquals(kinds, sinks);
        Class<?>[] api = {Transfer.class, Transfer.Source.class, FanOut.class, Relay.class, Batch.class, Batch.Source.class};
        for (Class<?> each : api) {
            for (Method method : each.getMethods()) {
                if (Set.of("from", "to", "between").contains(method.getName())) {
                    Class<?> end = method.getParameterTypes()[0];
                    // What is given as this is the end that its channel is: see OtherEnds.
                    boolean ofAChannel = end == Closeable.class;
                    assertTrue(ofAChannel || types.contains(end), method + " takes an end that has no row here");
                }
            }
        }
    }

    @TestFactory
    Stream<DynamicTest> table() {
        List<DynamicTest> table = new ArrayList<>();
        for (EndRow row : EndRow.values()) {
            for (boolean source : new boolean[] {true, false}) {
                for (EndOperation operation : EndOperation.values()) {
                    for (Drive drive : Drive.values()) {
                        for (Fault fault : Fault.values()) {
                            if ((source ? row.canBeSource() : row.canBeSink())
                                    && operation.serves(row, source, drive)
                                    && (drive != Drive.VIRTUAL || Virtual.EXIST)
                                    && (fault == Fault.LOST || row.canBeResized())) {
                                String name = row + (source ? " as source, " : " as sink, ") + operation + ", " + drive
                                        + ", " + fault;
                                table.add(DynamicTest.dynamicTest(
                                        name, () -> cell(row, source, operation, null, drive, fault)));
                                for (Mechanism each : operation == EndOperation.TRANSFER ? Mechanism.values() : new Mechanism[0]) {
                                    table.add(DynamicTest.dynamicTest(
                                            name + ", " + each, () -> cell(row, source, operation, each, drive, fault)));
                                }
                            }
                        }
                    }
                }
            }
        }
        return table.stream();
    }

    /** A copy has paths for ends: while it runs each name is given to another file and back. It copies one file, and that whole. */
    @Test
    void aCopyWhoseNamesChange() throws Exception {
        byte[] other = new byte[LENGTH / 2];
        Arrays.fill(other, FOREIGN);
        Path source = directory.resolve("copied");
        Path sink = directory.resolve("copy");
        Path kept = Files.write(directory.resolve("kept"), content);
        Path spare = Files.write(directory.resolve("spare"), other);
        Files.createLink(source, kept);
        Path link = directory.resolve("link");
        CompletableFuture<Void> over = new CompletableFuture<>();
        CompletableFuture<Void> swapping = Ends.background(() -> {
            for (int i = 0; !over.isDone(); i++) {
                Files.createLink(link, i % 2 == 0 ? spare : kept);
                Files.move(link, source, StandardCopyOption.ATOMIC_MOVE);
            }
            return null;
        });
        for (int i = 0; i < 100; i++) {
            CopyReport report = Copy.of(source, sink).atomic(i % 2 == 0).run();
            byte[] copied = Files.readAllBytes(sink);
            assertArrayEquals(copied.length == LENGTH ? content : other, copied);
            assertEquals(copied.length, report.bytes());
        }
        over.complete(null);
        await(swapping, "the names are still changed");
        assertArrayEquals(content, Files.readAllBytes(kept));
        assertArrayEquals(other, Files.readAllBytes(spare));
    }

    private void cell(EndRow row, boolean asSource, EndOperation operation, Mechanism named, Drive drive, Fault fault)
            throws Exception {
        // The one at the other side lets the operation be in its midst: a socket that takes little, or gives it in two parts.
        EndRow sourceRow = asSource ? row : row.isStream() && operation != EndOperation.RELAY ? EndRow.PATH : EndRow.UNIX;
        sourceRow = operation == EndOperation.BATCH && !asSource ? EndRow.PATH : sourceRow;
        sourceRow = operation == EndOperation.TRANSFER_TO ? EndRow.ZERO_COPY_FILE : sourceRow;
        sourceRow = row == EndRow.RECEIVING_REGION ? EndRow.TCP : sourceRow;
        EndRow sinkRow = !asSource ? row : operation == EndOperation.TRANSFER_FROM ? EndRow.ZERO_COPY_FILE : EndRow.TCP;
        try (Made source = new Made(sourceRow, directory, content); Made sink = new Made(sinkRow, directory, null)) {
            Made subject = asSource ? source : sink;
            CompletableFuture<Void> reached = new CompletableFuture<>();
            CompletableFuture<Void> done = reached.thenRunAsync(() -> strike(subject, fault, asSource), run -> Ends.background(() -> {
                run.run();
                return null;
            }));
            CompletableFuture<byte[]> arrived = sinkRow.isStream() ? arriving(sink, reached, done) : null;
            boolean inTwo = arrived == null;
            CompletableFuture<Void> fed = sourceRow.isStream() ? feeding(source, inTwo ? reached : null, done) : null;
            CompletableFuture<Answer> answer = driven(drive, () -> operation.answer(named, drive, source, sink, directory.resolve("second")));
            Answer said = await(answer, "the operation does not end");
            reached.complete(null);
            await(done, "the end is not closed");
            sink.ended();
            byte[] received = arrived == null ? sink.content(aside()) : await(arrived, "the sink does not end");
            if (operation == EndOperation.RELAY) {
                ((SocketChannel) source.end).close();
            }
            assertTrue(sink.stands(said.bytes()), () -> "the position is wrong: " + said);
            if (received != null) {
                judge(said, received, row, asSource, fault, operation + " " + named + " " + drive);
            }
            source.close();
            if (fed != null) {
                fed.handle((nothing, failure) -> null).get(20, TimeUnit.SECONDS);
            }
            othersAreWhole();
        } finally {
            for (FileChannel other : others) {
                other.close();
            }
            others.clear();
            Files.deleteIfExists(aside());
        }
    }

    private Path aside() {
        return directory.resolve("aside");
    }

    private void strike(Made subject, Fault fault, boolean asSource) {
        try {
            if (fault == Fault.RESIZED) {
                try {
                    subject.resize(LENGTH, asSource);
                } catch (RegionException e) {
                    assertEquals(EBUSY, e.errno().orElse(0), "a system call is sending from it");
                }
            } else {
                Path other = Files.write(directory.resolve("other"), foreign);
                subject.lose(aside(), other);
                for (int i = 0; i < OTHERS; i++) {
                    Path path = Files.write(directory.resolve("other-" + i), foreign);
                    others.add(FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE));
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private CompletableFuture<byte[]> arriving(Made sink, CompletableFuture<Void> reached, CompletableFuture<Void> done) {
        return Ends.background(() -> {
            if (sink.drain() instanceof SocketChannel socket) {
                socket.shutdownOutput();
            }
            ReadableByteChannel drain = sink.drain();
            ByteBuffer first = ByteBuffer.allocate(FIRST);
            while (first.hasRemaining() && drain.read(first) >= 0) {}
            reached.complete(null);
            done.handle((nothing, failure) -> null).join();
            byte[] rest = Ends.readAll(drain);
            byte[] all = Arrays.copyOf(first.array(), first.position() + rest.length);
            System.arraycopy(rest, 0, all, first.position(), rest.length);
            return all;
        });
    }

    /** In two parts if that is to make the midst. */
    private CompletableFuture<Void> feeding(Made source, CompletableFuture<Void> reached, CompletableFuture<Void> done) {
        return Ends.background(() -> {
            try (var feeder = source.feeder()) {
                Ends.writeAll(feeder, Arrays.copyOf(content, LENGTH / 2));
                if (reached != null) {
                    reached.complete(null);
                    done.handle((nothing, failure) -> null).join();
                }
                Ends.writeAll(feeder, Arrays.copyOfRange(content, LENGTH / 2, LENGTH));
            } catch (IOException e) {
                // The operation has given up.
            }
            return null;
        });
    }

    private static CompletableFuture<Answer> driven(Drive drive, Ends.Work<Answer> work) {
        if (drive != Drive.VIRTUAL) {
            return Ends.background(work);
        }
        CompletableFuture<Answer> answer = new CompletableFuture<>();
        Virtual.start(() -> {
            try {
                answer.complete(work.run());
            } catch (Throwable e) {
                answer.completeExceptionally(e);
            }
        });
        return answer;
    }

    private void judge(Answer said, byte[] received, EndRow row, boolean asSource, Fault fault, String how) {
        boolean grown = fault == Fault.RESIZED && !asSource && !row.isMemory();
        // What somebody else appended to the sink is no affair of the operation's.
        byte[] own = grown ? Arrays.copyOf(received, (int) said.bytes()) : received;
        assertArrayEquals(Arrays.copyOf(content, own.length), own, () -> "wrong bytes; " + said);
        assertEquals(own.length, said.bytes(), () -> "the count is wrong: " + said);
        if (said.failure() == null) {
            boolean shrunk = fault == Fault.RESIZED && asSource && row.kind != End.Kind.REGION;
            assertTrue(shrunk || own.length == LENGTH, () -> "success for less: " + said + ", " + row + (asSource ? " as source, " : " as sink, ") + how + ", " + fault);
        }
        assertTrue(!(said.failure() instanceof ClosedByInterruptException), () -> "nobody interrupted: " + said);
    }

    private void othersAreWhole() throws IOException {
        for (FileChannel other : others) {
            assertEquals(0, other.position(), "the position of another file");
            assertEquals(foreign.length, other.size(), "the size of another file");
            ByteBuffer bytes = ByteBuffer.allocate(foreign.length);
            while (bytes.hasRemaining() && other.read(bytes, bytes.position()) >= 0) {}
            assertArrayEquals(foreign, bytes.array(), "the bytes of another file");
        }
    }

    private static <T> T await(CompletableFuture<T> future, String what) throws Exception {
        try {
            return future.get(20, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            StringBuilder where = new StringBuilder(what);
            Thread.getAllStackTraces().forEach((thread, frames) -> {
                where.append('\n').append(thread.getName());
                Arrays.stream(frames).limit(8).forEach(frame -> where.append("\n  ").append(frame));
            });
            return fail(where.toString());
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        }
    }
}
