package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileDescriptor;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where native code of others looks for a file channel's descriptor, in every layout of objects that a JVM can be told to use. */
class DescriptorFieldTest {
    @TempDir
    Path directory;

    /** Asks in a JVM of its own. */
    static final class Program {
        public static void main(String[] arguments) throws Exception {
            Path path = Path.of(arguments[0]);
            try (FileChannel file = ZeroCopyFileChannel.open(path)) {
                System.out.println(DescriptorField.IN_PLACE);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-XX:+UseCompressedOops",
                "-XX:-UseCompressedOops",
                "-XX:-UseCompressedClassPointers",
                "-XX:ObjectAlignmentInBytes=16",
                "-XX:+UseCompactObjectHeaders",
                "-XX:+UseZGC"
            })
    void itIsInPlace(String layout) throws Exception {
        Path path = Files.createFile(directory.resolve("file"));
        // An older JVM does not know every one of them.
        Child child = Child.of(Program.class, path.toString())
                .option("-XX:+UnlockExperimentalVMOptions")
                .option("-XX:+IgnoreUnrecognizedVMOptions")
                .option(layout);
        List<String> said = child.run().lines().filter(line -> line.matches("true|false")).toList();
        assertEquals(List.of("true"), said);
    }

    @Test
    void aCloseMakesItInvalid() throws Exception {
        Path path = Files.createFile(directory.resolve("file"));
        FileChannel delegate = FileChannel.open(path);
        FileDescriptor descriptor = DescriptorField.of(delegate);
        assertTrue(descriptor.valid());
        ZeroCopyFileChannel.of(delegate).close();
        assertFalse(descriptor.valid());
    }

    @Test
    void aChannelOfSomebodyElsesHasNone() throws Exception {
        try (FileChannel foreign = new ForeignFileChannel()) {
            assertFalse(DescriptorField.of(foreign).valid());
        }
    }
}
