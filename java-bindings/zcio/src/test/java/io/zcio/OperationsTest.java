package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Relay, FanOut, Batch and Copy, run to the end and into what goes wrong on the way. */
@Timeout(300)
class OperationsTest {
    private static final byte[] CONTENT = Ends.pattern(3 << 20);

    @TempDir
    Path directory;

    private Path file(String name, byte[] content) throws Exception {
        return Files.write(directory.resolve(name), content);
    }

    @Test
    void aRelayKeepsAHalfClose() throws Exception {
        try (Ends.Pair left = Ends.tcp(); Ends.Pair right = Ends.tcp()) {
            var served = Ends.background(() -> {
                byte[] question = Ends.readAll(right.far());
                // The question has ended; the answer comes after that.
                Ends.writeAll(right.far(), new byte[] {42});
                right.far().shutdownOutput();
                return question;
            });
            var asked = Ends.background(() -> {
                Ends.writeAll(left.far(), CONTENT);
                left.far().shutdownOutput();
                return Ends.readAll(left.far());
            });
            RelayReport report = Relay.between(left.near(), right.near()).run();
            assertEquals(CONTENT.length, report.forward().bytes());
            assertEquals(1, report.backward().bytes());
            assertEquals(CONTENT.length + 1, report.bytes());
            assertArrayEquals(CONTENT, Ends.result(served));
            assertArrayEquals(new byte[] {42}, Ends.result(asked));
            assertTrue(left.near().isOpen() && left.near().isBlocking());
        }
    }

    @Test
    void aRelayWhosePeerGoesAway() throws Exception {
        try (Ends.Pair left = Ends.tcp(); Ends.Pair right = Ends.unix()) {
            Ends.background(() -> {
                Ends.writeAll(left.far(), CONTENT);
                return null;
            });
            Ends.background(() -> {
                Thread.sleep(100);
                right.far().close();
                return null;
            });
            RelayException e =
                    assertThrowsExactly(RelayException.class, () -> Relay.between(left.near(), right.near()).run());
            assertInstanceOf(TransferException.class, e.relayReport().get().forward().failure().get());
            int delivered = (int) e.relayReport().get().forward().bytes();
            byte[] undelivered = e.undelivered();
            assertArrayEquals(Arrays.copyOfRange(CONTENT, delivered, delivered + undelivered.length), undelivered);
            assertEquals(0, e.undeliveredBackward().length);
        }
    }

    @Test
    void whatARelayRefuses() throws Exception {
        try (Ends.Pair pair = Ends.tcp(); SocketChannel unconnected = SocketChannel.open()) {
            assertThrowsExactly(IllegalArgumentException.class, () -> Relay.between(pair.near(), pair.near()).run());
            assertThrowsExactly(java.nio.channels.NotYetConnectedException.class,
                    () -> Relay.between(pair.near(), unconnected).run());
        }
    }

    @Test
    void aFanOutFromASocket() throws Exception {
        try (Ends.Source source = new Ends.Source(Ends.Kind.TCP, null, CONTENT);
                Ends.Sink pipe = new Ends.Sink(Ends.Kind.PIPE, null);
                Ends.Sink socket = new Ends.Sink(Ends.Kind.UNIX, null)) {
            Path placed = file("placed", new byte[100]);
            try (FileChannel file = FileChannel.open(placed, StandardOpenOption.WRITE)) {
                FanOutReport report = FanOut.from((SocketChannel) source.end)
                        .to((java.nio.channels.Pipe.SinkChannel) pipe.end)
                        .to((SocketChannel) socket.end)
                        .to(directory.resolve("new"))
                        .to(file, 50)
                        .run();
                assertEquals(CONTENT.length, report.bytes());
                assertEquals(4, report.sinks().size());
                report.sinks().forEach(sink -> assertTrue(sink.failure().isEmpty()));
                assertEquals(0, file.position());
            }
            assertArrayEquals(CONTENT, pipe.received());
            assertArrayEquals(CONTENT, socket.received());
            assertArrayEquals(CONTENT, Files.readAllBytes(directory.resolve("new")));
            byte[] behind = Files.readAllBytes(placed);
            assertArrayEquals(new byte[50], Arrays.copyOf(behind, 50));
            assertArrayEquals(CONTENT, Arrays.copyOfRange(behind, 50, behind.length));
        }
    }

    @Test
    void aFanOutGoesOnWithoutASinkThatFails() throws Exception {
        Path content = file("content", CONTENT);
        Path copy = directory.resolve("copy");
        try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
            FanOutReport report = FanOut.from(content).to(full).to(copy).run();
            assertEquals(28, assertInstanceOf(TransferException.class, report.sinks().get(0).failure().get()).errno().getAsInt());
            assertArrayEquals(CONTENT, Files.readAllBytes(copy));
            FanOutException e =
                    assertThrowsExactly(FanOutException.class, () -> FanOut.from(content).to(full).run());
            assertEquals(0, e.moved());
        }
        assertThrowsExactly(IllegalArgumentException.class, () -> FanOut.from(content).run());
        NoSuchFileException e = assertThrowsExactly(
                NoSuchFileException.class, () -> FanOut.from(directory.resolve("none")).to(copy).run());
        assertEquals(directory.resolve("none").toString(), e.getFile());
        assertArrayEquals(CONTENT, Files.readAllBytes(copy));
        FanOutReport part = FanOut.from(content).offset(10).count(20).to(copy).run();
        assertEquals(20, part.bytes());
        assertArrayEquals(Arrays.copyOfRange(CONTENT, 10, 30), Files.readAllBytes(copy));
    }

    @Test
    void aBatch() throws Exception {
        int count = 300;
        byte[] expected = new byte[0];
        List<Batch.Item> items = new ArrayList<>();
        try (Ends.Sink sink = new Ends.Sink(Ends.Kind.TCP, null);
                FileChannel large = FileChannel.open(file("large", CONTENT));
                Batch batch = new Batch()) {
            SocketChannel socket = (SocketChannel) sink.end;
            for (int i = 0; i < count; i++) {
                byte[] content = Ends.pattern(i * 37 % 5000);
                Path path = file("small" + i, content);
                items.add(Batch.from(path).to(socket));
                int before = expected.length;
                expected = Arrays.copyOf(expected, before + content.length);
                System.arraycopy(content, 0, expected, before, content.length);
            }
            items.add(Batch.from(directory.resolve("none")).to(socket));
            items.add(Batch.from(large).to(socket).offset(1000).count(2000));
            items.add(Batch.from(large).to(directory.resolve("copied")));
            for (int round = 0; round < 2; round++) {
                BatchReport report = batch.run(items);
                assertFalse(report.isComplete());
                for (int i = 0; i < items.size(); i++) {
                    Throwable failure = report.items().get(i).failure().orElse(null);
                    assertEquals(i == count ? NoSuchFileException.class : null, failure == null ? null : failure.getClass());
                }
                assertEquals(2000, report.items().get(count + 1).bytes());
                assertEquals(CONTENT.length, report.items().get(count + 2).bytes());
            }
            assertEquals(0, large.position());
            socket.close();
            byte[] once = Arrays.copyOf(expected, expected.length + 2000);
            System.arraycopy(CONTENT, 1000, once, expected.length, 2000);
            byte[] twice = Arrays.copyOf(once, 2 * once.length);
            System.arraycopy(once, 0, twice, once.length, once.length);
            assertArrayEquals(twice, sink.received());
            assertArrayEquals(CONTENT, Files.readAllBytes(directory.resolve("copied")));
            batch.close();
            assertThrowsExactly(IllegalStateException.class, () -> batch.run(List.of()));
        }
    }

    @Test
    void aCopy() throws Exception {
        Path source = directory.resolve("source");
        try (RandomAccessFile file = new RandomAccessFile(source.toFile(), "rw")) {
            file.write(CONTENT);
            file.setLength(64 << 20);
            file.seek(32 << 20);
            file.write(CONTENT);
        }
        Files.setPosixFilePermissions(source, PosixFilePermissions.fromString("r-xr-----"));
        Files.setLastModifiedTime(source, FileTime.fromMillis(123_456_789));
        Path copy = file("copy", new byte[] {1});
        List<Long> told = new ArrayList<>();
        CopyReport report = Copy.of(source, copy)
                .reflink(Reflink.AUTO)
                .preserveMode(true)
                .preserveTimes(true)
                .atomic(true)
                .durable(true)
                .progress(told::add)
                .run();
        assertEquals(-1, Files.mismatch(source, copy));
        assertEquals(64 << 20, report.bytes() + report.holes());
        assertTrue(report.cloned() || report.holes() >= 32 << 20, report.toString());
        assertEquals("r-xr-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(copy)));
        assertEquals(123_456_789, Files.getLastModifiedTime(copy).toMillis());
        assertEquals(report.bytes(), told.get(told.size() - 1));
        NoSuchFileException e = assertThrowsExactly(
                NoSuchFileException.class, () -> Copy.of(Path.of("no such file"), copy).run());
        assertEquals("no such file", e.getFile());
        CancelToken token = new CancelToken();
        token.cancel();
        assertThrowsExactly(
                TransferCancelledException.class, () -> Copy.of(source, directory.resolve("c")).cancelledBy(token).run());
        assertFalse(Files.exists(directory.resolve("c")));
        IllegalStateException thrown = assertThrowsExactly(IllegalStateException.class, () -> Copy.of(source, copy)
                .atomic(true)
                .progress(moved -> {
                    throw new IllegalStateException("enough");
                })
                .run());
        assertEquals("enough", thrown.getMessage());
    }

    private static <T extends FileSystemException> void refused(
            Class<T> kind, Path source, Path destination, Path file, String reason) {
        T e = assertThrowsExactly(kind, () -> Copy.of(source, destination).run());
        assertEquals(file.toString(), e.getFile());
        assertEquals(reason, e.getReason());
    }

    @Test
    void aCopyIsAsCarefulAsCp() throws Exception {
        Path source = file("source", CONTENT);
        Files.setPosixFilePermissions(source, PosixFilePermissions.fromString("rwxr-x---"));
        Path made = directory.resolve("made");
        Copy.of(source, made).createNew(true).run();
        Path theirs = directory.resolve("theirs");
        assertEquals(0, new ProcessBuilder("cp", source.toString(), theirs.toString()).start().waitFor());
        assertEquals(Files.getPosixFilePermissions(theirs), Files.getPosixFilePermissions(made));

        Path link = Files.createSymbolicLink(directory.resolve("link"), source);
        Path other = Files.createLink(directory.resolve("other"), source);
        for (Path same : List.of(source, link, other)) {
            refused(FileSystemException.class, source, same, same, "the source and the destination are the same file");
        }
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        Path device = Path.of("/dev/null");
        refused(FileSystemException.class, fifo, made, fifo, "a FIFO where a regular file is needed");
        refused(FileSystemException.class, source, device, device, "a device where a regular file is needed");
        refused(FileSystemException.class, directory, made, directory, "Is a directory");
        Path dangling = Files.createSymbolicLink(directory.resolve("dangling"), Path.of("nothing"));
        refused(FileAlreadyExistsException.class, source, dangling, dangling, null);
        for (boolean atomic : new boolean[] {false, true}) {
            for (Path taken : List.of(made, link, dangling, directory)) {
                FileAlreadyExistsException e = assertThrowsExactly(FileAlreadyExistsException.class, () -> Copy.of(source, taken)
                        .createNew(true)
                        .atomic(atomic)
                        .run());
                assertEquals(taken.toString(), e.getFile());
            }
        }
        Path madeUp = Path.of("/sys/kernel/mm/transparent_hugepage/enabled");
        Copy.of(madeUp, made).run();
        assertArrayEquals(Files.readAllBytes(madeUp), Files.readAllBytes(made));
    }
}
