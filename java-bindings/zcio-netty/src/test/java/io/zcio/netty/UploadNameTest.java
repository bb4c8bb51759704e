package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.buffer.Unpooled;
import io.netty.channel.epoll.Epoll;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** An upload's temporary name, which others of its folder see and may give to a file of theirs. */
class UploadNameTest {
    @TempDir
    Path directory;

    /** Opened for a splice or not; ended as complete or not; what somebody puts under the temporary name. */
    static Stream<Arguments> ends() {
        return Stream.of(false, Epoll.isAvailable())
                .distinct()
                .flatMap(splice -> Stream.of(true, false)
                        .flatMap(whole -> Stream.of("nothing", "gone", "file", "symbolic link")
                                .map(theirs -> Arguments.of(splice, whole, theirs))));
    }

    @ParameterizedTest
    @MethodSource("ends")
    void whatHasTheTemporaryNameByThenIsLeftToItsOwner(boolean splice, boolean whole, String theirs) throws Exception {
        Path path = directory.resolve("upload");
        Path precious = directory.resolve("precious");
        Files.writeString(path, "old");
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-rw-r--"));
        Files.writeString(precious, "precious");
        UploadTarget target = new UploadTarget(path, true);
        target.open(splice);
        Path temporary = temporary();
        assertEquals(Files.getPosixFilePermissions(path), Files.getPosixFilePermissions(temporary));
        give(temporary, precious, theirs);
        target.write(Unpooled.copiedBuffer("new", StandardCharsets.US_ASCII), 0);
        Throwable failure = target.end(whole ? null : new IOException("the connection ended"));
        boolean complete = whole && theirs.equals("nothing");
        if (complete) {
            assertNull(failure);
        } else {
            assertNotNull(failure);
        }
        assertEquals(complete ? "new" : "old", Files.readString(path));
        Path kept = theirs.equals("file") ? temporary : precious;
        assertEquals("precious", Files.readString(kept));
        assertEquals(theirs.equals("symbolic link"), Files.isSymbolicLink(temporary));
    }

    private Path temporary() throws IOException {
        try (Stream<Path> names = Files.list(directory)) {
            List<Path> found = names.filter(name -> name.getFileName().toString().startsWith(".zcio-"))
                    .toList();
            assertEquals(1, found.size());
            return found.get(0);
        }
    }

    private static void give(Path name, Path precious, String theirs) throws IOException {
        switch (theirs) {
            case "nothing" -> {}
            case "gone" -> Files.delete(name);
            case "file" -> Files.move(precious, name, StandardCopyOption.REPLACE_EXISTING);
            case "symbolic link" -> {
                Files.delete(name);
                Files.createSymbolicLink(name, precious);
            }
            default -> throw new AssertionError(theirs);
        }
    }
}
