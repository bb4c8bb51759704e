package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CyclicBarrier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A close in the very moment a transfer begins: it is either too late, or the transfer fails as NIO's would, and whatever
 * the descriptor's number means next is left alone. No descriptor is left behind.
 */
@Timeout(300)
class CloseRaceTest {
    private static final int ROUNDS = 150;

    @TempDir
    Path directory;

    @Test
    void aCloseAtTheBeginning() throws Exception {
        byte[] content = Ends.pattern(50_000);
        Path other = Files.write(directory.resolve("other"), new byte[] {1, 2, 3});
        int closedFirst = 0;
        long descriptors = 0;
        for (int round = 0; round < ROUNDS; round++) {
            for (Ends.Kind kind : new Ends.Kind[] {Ends.Kind.FILE, Ends.Kind.TCP, Ends.Kind.UNIX, Ends.Kind.PIPE}) {
                closedFirst += race(kind, content, other) ? 1 : 0;
            }
            // The JDK opens some for itself the first time.
            if (round == 10) {
                descriptors = descriptors();
            }
        }
        assertTrue(closedFirst > 0, "the close never came first: the race is no race");
        System.out.println("the close came first in " + closedFirst + " of " + 4 * ROUNDS + " races");
        // A few more for the JVM itself; a leak would show as hundreds.
        assertTrue(descriptors() < descriptors + 10, descriptors + " descriptors became " + descriptors());
    }

    /** Whether the transfer failed because of the close. */
    private boolean race(Ends.Kind kind, byte[] content, Path other) throws Exception {
        Ends.Source source = new Ends.Source(kind, directory.resolve("source"), content);
        Path sink = directory.resolve("sink");
        CyclicBarrier start = new CyclicBarrier(2);
        var closed = Ends.background(() -> {
            start.await();
            ((Channel) source.end).close();
            // Takes the number that has just become free.
            return FileChannel.open(other);
        });
        boolean failed = false;
        try {
            Transfer transfer = source.transfer().to(sink).count(content.length);
            start.await();
            assertEquals(content.length, transfer.run().bytes());
            assertEquals(-1, Files.mismatch(sink, Files.write(directory.resolve("expected"), content)));
        } catch (ClosedChannelException e) {
            failed = true;
        }
        try (FileChannel reused = Ends.result(closed)) {
            assertEquals(0, reused.position());
        }
        source.abandon();
        return failed;
    }

    private static long descriptors() {
        return new File("/proc/self/fd").list().length;
    }
}
