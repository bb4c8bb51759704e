package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A transfer leaves the locks of its channels alone: closing any descriptor of a file would take them away. */
class LockTest {
    @TempDir
    Path directory;

    @Test
    void aLockOnTheChannelIsKept() throws Exception {
        Path path = Files.write(directory.resolve("locked"), new byte[100]);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
                var lock = channel.lock()) {
            Transfer.from(channel).to(directory.resolve("sink")).count(10).run();
            Transfer.from(directory.resolve("sink")).to(channel).run();
            assertTrue(lock.isValid());
            // Another process must still find it locked.
            String said = Child.of(LockProbe.class, path.toString()).run();
            assertEquals("locked", said.strip());
        }
    }

    /** Says in a process of its own whether a file is locked. */
    static final class LockProbe {
        public static void main(String[] arguments) throws Exception {
            try (FileChannel channel = FileChannel.open(Path.of(arguments[0]), StandardOpenOption.WRITE)) {
                System.out.println(channel.tryLock() == null ? "locked" : "free");
            }
        }
    }
}
