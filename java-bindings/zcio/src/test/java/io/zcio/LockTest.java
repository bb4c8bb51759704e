package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A transfer leaves the locks of its channels alone: closing any descriptor of a file would take them away. */
@Timeout(60)
class LockTest {
    private static final int SIZE = 64 << 10;

    /** On a disk if there is one: a tmpfs refuses some of the mechanisms. */
    private final List<Path> files = new ArrayList<>();

    private Path file(String name) throws Exception {
        Path path = Ends.fileOnDisk("zcio-lock-" + name);
        files.add(path);
        return Files.write(path, Ends.pattern(SIZE));
    }

    @AfterEach
    void delete() throws Exception {
        for (Path path : files) {
            Files.delete(path);
        }
    }

    private static FileChannel open(Path path, OpenOption... more) throws Exception {
        List<OpenOption> options = new ArrayList<>(List.of(StandardOpenOption.READ, StandardOpenOption.WRITE));
        options.addAll(List.of(more));
        return ZeroCopyFileChannel.open(path, options.toArray(new OpenOption[0]));
    }

    @Test
    void aLockOnEitherChannelIsKeptByEveryMechanism() throws Exception {
        Path from = file("from");
        Path to = file("to");
        List<Mechanism> ran = new ArrayList<>();
        try (FileChannel source = open(from);
                FileChannel sink = open(to);
                FileLock read = source.lock();
                FileLock written = sink.lock();
                LockProbe probe = new LockProbe(from, to)) {
            for (Mechanism mechanism : Mechanism.values()) {
                for (int unaligned : new int[] {0, 100}) {
                    Transfer transfer = Transfer.from(source).to(sink).offset(0).count(SIZE - unaligned);
                    try {
                        sink.position(0);
                        transfer.mechanism(mechanism).run();
                        ran.add(mechanism);
                    } catch (TransferException | UnsupportedOperationException e) {
                        // Not between files, or not on this file system; the locks must not suffer from the attempt either.
                    }
                    probe.assertBothLocked(mechanism.mechanismName());
                }
            }
            source.transferTo(0, SIZE, sink);
            sink.transferFrom(source, 0, SIZE);
            ((ZeroCopyFileChannel) source).mapRegion(MapMode.READ_ONLY, 0, 100).close();
            ((ZeroCopyFileChannel) source).residency(0, SIZE);
            ((ZeroCopyFileChannel) source).prefetch(0, SIZE);
            ((ZeroCopyFileChannel) source).evict(0, SIZE);
            probe.assertBothLocked("the channel's own methods");
            assertTrue(read.isValid() && written.isValid());
        }
        assertTrue(ran.contains(Mechanism.SENDFILE) && ran.contains(Mechanism.READ_WRITE), ran.toString());
        if (!ran.contains(Mechanism.DIRECT_IO)) {
            Require.that(false, "no direct I/O on the file system of " + from);
        }
    }

    @Test
    void aLockOnAChannelThatWasOpenedPastThePageCacheIsKept() throws Exception {
        Path from = file("from");
        Path to = file("to");
        FileChannel direct;
        try {
            direct = open(to, FileChannelOpenTest.option("DIRECT"));
        } catch (UnsupportedOperationException | IOException e) {
            Require.that(false, "no direct I/O on the file system of " + from + ": " + e);
            return;
        }
        try (FileChannel source = open(from);
                FileChannel sink = direct;
                FileLock read = source.lock();
                FileLock written = sink.lock();
                LockProbe probe = new LockProbe(from, to)) {
            // A tail that fills no block goes through the page cache, for which this descriptor does not do.
            assertEquals(SIZE - 100, source.transferTo(0, SIZE - 100, sink));
            probe.assertBothLocked("direct");
        }
        // Not before: reading them opens and closes them.
        assertArrayEquals(Ends.pattern(SIZE), Files.readAllBytes(to));
    }

    /** Asks from a process of its own, where a lock of this process shows. */
    static final class LockProbe implements AutoCloseable {
        private final Process process;
        private final BufferedReader answers;

        LockProbe(Path... paths) throws Exception {
            process = Child.of(LockProbe.class, paths[0].toString(), paths[1].toString()).start();
            answers = process.inputReader();
        }

        void assertBothLocked(String after) throws Exception {
            process.outputWriter().write("?\n");
            process.outputWriter().flush();
            assertEquals("locked locked", answers.readLine(), after);
        }

        @Override
        public void close() {
            process.destroy();
        }

        public static void main(String[] arguments) throws Exception {
            while (System.in.read() == '?') {
                System.in.read();
                System.out.println(state(arguments[0]) + " " + state(arguments[1]));
            }
        }

        private static String state(String path) throws Exception {
            try (FileChannel channel = FileChannel.open(Path.of(path), StandardOpenOption.WRITE)) {
                return channel.tryLock() == null ? "locked" : "free";
            }
        }
    }
}
