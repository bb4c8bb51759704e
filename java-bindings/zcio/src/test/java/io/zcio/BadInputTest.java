package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.StandardProtocolFamily;
import java.net.URI;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.NotYetConnectedException;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Everything that can be asked wrongly: the exact exception, and nothing written that was not asked for. */
class BadInputTest {
    private static final byte[] CONTENT = Ends.pattern(10_000);
    private static final byte[] PRECIOUS = {1, 2, 3};

    @TempDir
    Path directory;
    private Path source;
    private Path kept;
    private Path absent;

    @BeforeEach
    void prepare() throws Exception {
        source = Files.write(directory.resolve("source"), CONTENT);
        kept = Files.write(directory.resolve("kept"), PRECIOUS);
        absent = directory.resolve("absent");
    }

    /** That exact class, and both the source and the destinations as they were. */
    private <T extends Exception> T refused(Class<T> type, Executable transfer) throws Exception {
        T exception = assertThrowsExactly(type, transfer);
        assertArrayEquals(CONTENT, Files.readAllBytes(source));
        assertArrayEquals(PRECIOUS, Files.readAllBytes(kept));
        assertFalse(Files.exists(absent));
        return exception;
    }

    @Test
    void aMissingFile() throws Exception {
        for (Path sink : new Path[] {kept, absent}) {
            NoSuchFileException e =
                    refused(NoSuchFileException.class, () -> Transfer.from(directory.resolve("none")).to(sink).run());
            assertEquals(directory.resolve("none").toString(), e.getFile());
        }
        NoSuchFileException e =
                refused(NoSuchFileException.class, () -> Transfer.from(source).to(directory.resolve("no/where")).run());
        assertEquals(directory.resolve("no/where").toString(), e.getFile());
        // As the caller wrote it, not made absolute.
        e = refused(NoSuchFileException.class, () -> Transfer.from(Path.of("no such file")).to(kept).run());
        assertEquals("no such file", e.getFile());
    }

    @Test
    void aDirectory() throws Exception {
        FileSystemException e =
                refused(FileSystemException.class, () -> Transfer.from(directory).to(kept).run());
        assertEquals("Is a directory", e.getReason());
        assertEquals(directory.toString(), e.getFile());
        refused(FileSystemException.class, () -> Transfer.from(directory).to(absent).run());
        refused(FileSystemException.class, () -> Transfer.from(source).to(directory).run());
        try (FileChannel channel = FileChannel.open(directory)) {
            TransferException te =
                    refused(TransferException.class, () -> Transfer.from(channel).to(kept).run());
            assertEquals(21, te.errno().getAsInt());
        }
    }

    @Test
    void aFileThatMayNotBeWritten() throws Exception {
        // EACCES even for root.
        Path readOnly = Path.of("/proc/sys/kernel/osrelease");
        AccessDeniedException e =
                refused(AccessDeniedException.class, () -> Transfer.from(source).to(readOnly).run());
        assertEquals(readOnly.toString(), e.getFile());
        try (FileChannel sink = FileChannel.open(kept, StandardOpenOption.READ)) {
            refused(NonWritableChannelException.class, () -> Transfer.from(source).to(sink).run());
        }
    }

    @Test
    void aFileThatWasNotOpenedForReading() throws Exception {
        try (FileChannel channel = FileChannel.open(source, StandardOpenOption.WRITE)) {
            refused(NonReadableChannelException.class, () -> Transfer.from(channel).to(kept).run());
            refused(NonReadableChannelException.class, () -> Transfer.from(channel).to(absent).run());
        }
    }

    @Test
    void aClosedChannel() throws Exception {
        FileChannel file = FileChannel.open(source);
        SocketChannel tcp = SocketChannel.open();
        SocketChannel unix = SocketChannel.open(StandardProtocolFamily.UNIX);
        Pipe pipe = Pipe.open();
        file.close();
        tcp.close();
        unix.close();
        pipe.source().close();
        pipe.sink().close();
        for (Path sink : new Path[] {kept, absent}) {
            refused(ClosedChannelException.class, () -> Transfer.from(file).to(sink).run());
            refused(ClosedChannelException.class, () -> Transfer.from(tcp).to(sink).run());
            refused(ClosedChannelException.class, () -> Transfer.from(unix).to(sink).run());
            refused(ClosedChannelException.class, () -> Transfer.from(pipe.source()).to(sink).run());
        }
        refused(ClosedChannelException.class, () -> Transfer.from(source).to(file).run());
        refused(ClosedChannelException.class, () -> Transfer.from(source).to(tcp).run());
        refused(ClosedChannelException.class, () -> Transfer.from(source).to(unix).run());
        refused(ClosedChannelException.class, () -> Transfer.from(source).to(pipe.sink()).run());
    }

    @Test
    void aSocketThatIsNotConnected() throws Exception {
        try (SocketChannel tcp = SocketChannel.open();
                SocketChannel unix = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            for (SocketChannel socket : new SocketChannel[] {tcp, unix}) {
                refused(NotYetConnectedException.class, () -> Transfer.from(socket).to(kept).run());
                refused(NotYetConnectedException.class, () -> Transfer.from(source).to(socket).run());
            }
        }
    }

    @Test
    void negativeNumbers() throws Exception {
        Transfer transfer = Transfer.from(source).to(kept);
        refused(IllegalArgumentException.class, () -> transfer.offset(-1));
        refused(IllegalArgumentException.class, () -> transfer.sinkOffset(Long.MIN_VALUE));
        refused(IllegalArgumentException.class, () -> transfer.count(-1));
    }

    @Test
    void nulls() throws Exception {
        Transfer transfer = Transfer.from(source).to(kept);
        refused(NullPointerException.class, () -> Transfer.from((Path) null));
        refused(NullPointerException.class, () -> Transfer.from(source).to((SocketChannel) null));
        refused(NullPointerException.class, () -> transfer.mechanism(null));
        refused(NullPointerException.class, () -> transfer.visibility(null));
    }

    @Test
    void anOffsetWhereThereAreNone() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            for (Path sink : new Path[] {kept, absent}) {
                refused(IllegalArgumentException.class, () -> Transfer.from(pair.near()).to(sink).offset(1).run());
            }
            refused(IllegalArgumentException.class, () -> Transfer.from(source).to(pair.near()).sinkOffset(0).run());
        }
        try (FileChannel appending = FileChannel.open(kept, StandardOpenOption.APPEND)) {
            refused(IllegalArgumentException.class, () -> Transfer.from(source).to(appending).sinkOffset(1).run());
        }
    }

    @Test
    void theSameFile() throws Exception {
        refused(IllegalArgumentException.class, () -> Transfer.from(source).to(source).run());
        Path link = Files.createLink(directory.resolve("link"), source);
        refused(IllegalArgumentException.class, () -> Transfer.from(source).to(link).run());
        try (FileChannel channel = FileChannel.open(source, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            refused(
                    IllegalArgumentException.class,
                    () -> Transfer.from(channel).to(channel).offset(0).sinkOffset(5000).count(5001).run());
        }
        Pipe pipe = Pipe.open();
        refused(IllegalArgumentException.class, () -> Transfer.from(pipe.source()).to(pipe.sink()).run());
    }

    @Test
    void rangesOfOneFileThatDoNotOverlap() throws Exception {
        try (FileChannel channel = FileChannel.open(source, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            Transfer.from(channel).to(channel).offset(0).sinkOffset(5000).count(5000).run();
        }
        byte[] content = Files.readAllBytes(source);
        assertArrayEquals(Arrays.copyOf(CONTENT, 5000), Arrays.copyOfRange(content, 5000, 10_000));
    }

    @Test
    void aMechanismThatIsImpossible() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            for (Path sink : new Path[] {kept, absent}) {
                for (Mechanism mechanism : List.of(Mechanism.SENDFILE, Mechanism.MMAP_WRITE, Mechanism.COPY_FILE_RANGE)) {
                    Transfer transfer = Transfer.from(pair.near()).to(sink).mechanism(mechanism);
                    refused(UnsupportedOperationException.class, transfer::run);
                }
            }
        }
    }

    @Test
    void aMechanismThatTheKernelRefuses() throws Exception {
        Path odd = Path.of("/proc/self/maps");
        for (Path sink : new Path[] {kept, absent}) {
            TransferException e = refused(
                    TransferException.class,
                    () -> Transfer.from(odd).to(sink).mechanism(Mechanism.SENDFILE).run());
            assertEquals(22, e.errno().getAsInt());
            assertEquals(0, e.moved());
        }
    }

    /** No mechanism takes the error for an empty file, and none has touched the destination by then. */
    @Test
    void aSourceThatCannotBeRead() throws Exception {
        Path odd = Path.of("/proc/self/mem");
        for (Path sink : new Path[] {kept, absent}) {
            for (Mechanism mechanism : Mechanism.values()) {
                if (Require.allowed(mechanism)) {
                    Transfer transfer = Transfer.from(odd).to(sink).mechanism(mechanism);
                    Exception e = assertThrows(Exception.class, transfer::run, mechanism.mechanismName());
                    refused(e.getClass(), transfer::run);
                }
            }
        }
    }

    @Test
    void aPathOfAnotherFileSystem() throws Exception {
        URI archive = URI.create("jar:" + directory.resolve("archive.zip").toUri());
        try (FileSystem zip = FileSystems.newFileSystem(archive, Map.of("create", "true"))) {
            refused(ProviderMismatchException.class, () -> Transfer.from(zip.getPath("/entry")));
            refused(ProviderMismatchException.class, () -> Transfer.from(source).to(zip.getPath("/entry")));
        }
    }

    @Test
    void aChannelOfSomebodyElse() throws Exception {
        try (FileChannel foreign = new ForeignFileChannel()) {
            IllegalArgumentException e = refused(IllegalArgumentException.class, () -> Transfer.from(foreign));
            assertTrue(e.getMessage().contains("ForeignFileChannel"), e.getMessage());
            refused(IllegalArgumentException.class, () -> Transfer.from(source).to(foreign));
        }
    }

    /** No selector could wait for it: refused before anything is asked of it, as a path of one is. */
    @Test
    void aFileChannelOfAFifoInASelectorsLoop() throws Exception {
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        try (FileChannel channel = FileChannel.open(fifo, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            refused(IllegalArgumentException.class, () -> Transfer.from(channel).to(absent).start());
            refused(IllegalArgumentException.class, () -> Transfer.from(source).to(channel).start());
            refused(IllegalArgumentException.class, () -> FanOut.from(channel).to(absent).start());
            refused(IllegalArgumentException.class, () -> FanOut.from(source).to(absent).to(channel).start());
        }
        try (FileChannel device = FileChannel.open(Path.of("/dev/zero"));
                Stepper<Report> stepper = Transfer.from(device).to(Path.of(kept + "-copy")).count(5000).start()) {
            assertEquals(5000, EndCalls.stepped(stepper).bytes());
        }
    }
}
