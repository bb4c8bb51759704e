package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Offsets, counts and positions, and what the report says of them. */
class RangesTest {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    @TempDir
    Path directory;
    private Path source;
    private Path sink;

    @BeforeEach
    void prepare() throws Exception {
        source = Files.write(directory.resolve("source"), CONTENT);
        sink = directory.resolve("sink");
    }

    @Test
    void aRangeOfAFile() throws Exception {
        Report report = Transfer.from(source).to(sink).offset(4097).count(50_000).run();
        assertArrayEquals(Arrays.copyOfRange(CONTENT, 4097, 54_097), Files.readAllBytes(sink));
        assertEquals(OptionalLong.of(50_000), report.requested());
        assertFalse(report.isShort());
    }

    @Test
    void aRangeBeyondTheEndMovesWhatThereIsAndSaysSo() throws Exception {
        Report report = Transfer.from(source).to(sink).offset(99_990).count(100).run();
        assertEquals(10, report.bytes());
        assertTrue(report.isShort());
        assertArrayEquals(Arrays.copyOfRange(CONTENT, 99_990, 100_000), Files.readAllBytes(sink));
        report = Transfer.from(source).to(sink).offset(Long.MAX_VALUE).count(Long.MAX_VALUE).run();
        assertEquals(0, report.bytes());
        assertTrue(report.isShort());
    }

    @Test
    void aPathIsEmptiedBeforeItIsWritten() throws Exception {
        Files.write(sink, Ends.pattern(200_000));
        Transfer.from(source).to(sink).count(3).run();
        assertArrayEquals(Arrays.copyOf(CONTENT, 3), Files.readAllBytes(sink));
    }

    @Test
    void positionsAdvanceUnlessAnOffsetIsGiven() throws Exception {
        try (FileChannel from = FileChannel.open(source);
                FileChannel to = FileChannel.open(sink, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            from.position(10);
            Transfer.from(from).to(to).count(100).run();
            assertEquals(110, from.position());
            assertEquals(100, to.position());
            Transfer.from(from).to(to).offset(0).sinkOffset(200).count(100).run();
            assertEquals(110, from.position());
            assertEquals(100, to.position());
        }
        byte[] expected = new byte[300];
        System.arraycopy(CONTENT, 10, expected, 0, 100);
        System.arraycopy(CONTENT, 0, expected, 200, 100);
        assertArrayEquals(expected, Files.readAllBytes(sink));
    }

    @Test
    void aChannelOpenedToAppendIsAppendedTo() throws Exception {
        Files.write(sink, new byte[] {1, 2, 3});
        try (FileChannel to = FileChannel.open(sink, StandardOpenOption.APPEND)) {
            Transfer.from(source).to(to).count(2).run();
        }
        assertArrayEquals(new byte[] {1, 2, 3, CONTENT[0], CONTENT[1]}, Files.readAllBytes(sink));
    }

    @Test
    void theReportSaysHowOftenBytesWereCopied() throws Exception {
        Report report = Transfer.from(source).to(sink).mechanism(Mechanism.READ_WRITE).run();
        assertEquals(OptionalInt.of(2), report.copies());
        assertEquals(KnownBy.MODEL, report.copiesKnownBy());
        report = Transfer.from(source).to(sink).mechanism(Mechanism.COPY_FILE_RANGE).run();
        assertEquals(OptionalInt.empty(), report.copies());
        assertEquals(KnownBy.UNKNOWN, report.copiesKnownBy());
        assertTrue(report.elapsed().toNanos() > 0);
    }

    @Test
    void aRefusalIsInTheReport() throws Exception {
        // Another file system: copy_file_range says EXDEV there.
        Path elsewhere = Path.of("/dev/shm");
        Require.that(
                Files.isDirectory(elsewhere) && !Files.getFileStore(elsewhere).equals(Files.getFileStore(source)),
                "no second file system at " + elsewhere);
        Path target = Files.createTempFile(elsewhere, "zcio-test", "");
        try {
            Report report = Transfer.from(source).to(target).run();
            assertArrayEquals(CONTENT, Files.readAllBytes(target));
            assertEquals(Mechanism.SENDFILE, report.mechanism());
            assertEquals(1, report.attempts().size());
            Attempt attempt = report.attempts().get(0);
            assertEquals(Mechanism.COPY_FILE_RANGE, attempt.mechanism());
            assertEquals("copy_file_range", attempt.operation());
            assertEquals(OptionalInt.of(18), attempt.errno());
            assertEquals(0, attempt.moved());
            assertFalse(attempt.reason().isEmpty());
        } finally {
            Files.delete(target);
        }
    }

    @Test
    void aSnapshotIsNotAliased() throws Exception {
        try (Ends.Sink socket = new Ends.Sink(Ends.Kind.TCP, null)) {
            Report report = socket.from(Transfer.from(source)).visibility(Visibility.SNAPSHOT).run();
            assertEquals(Mechanism.READ_WRITE, report.mechanism());
            assertArrayEquals(CONTENT, socket.received());
        }
    }

    @Test
    void aTransferCanBeRunAgain() throws Exception {
        Transfer transfer = Transfer.from(source).to(sink);
        transfer.run();
        Files.delete(sink);
        transfer.run();
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
    }
}
