package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** File names are bytes, whatever the locale makes of them. */
class PathNamesTest {
    private static final byte[] CONTENT = Ends.pattern(1000);

    @TempDir
    Path directory;

    @Test
    void namesThatNeedEscapingInAUri() throws Exception {
        Path source = Files.write(directory.resolve("a b%20c?d#e&f+g\\h\n;i=ü"), CONTENT);
        Path sink = directory.resolve("%41 \t\"'");
        Transfer.from(source).to(sink).run();
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
    }

    @Test
    void aRelativePath() throws Exception {
        Path source = Files.write(directory.resolve("source"), CONTENT);
        Path relative = Path.of("").toAbsolutePath().relativize(directory.resolve("sink"));
        Transfer.from(source).to(relative).run();
        assertArrayEquals(CONTENT, Files.readAllBytes(directory.resolve("sink")));
    }

    @Test
    void aNameThatIsNotUtf8() throws Exception {
        // 0xff is in no UTF-8 string; a URI can say it.
        Path source = Path.of(URI.create(directory.toUri() + "%FFsource"));
        Files.write(source, CONTENT);
        Transfer.from(source).to(Path.of(URI.create(directory.toUri() + "%FFsink"))).run();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory, "*sink")) {
            Path sink = entries.iterator().next();
            assertTrue(sink.toUri().getRawPath().endsWith("/%FFsink"), sink.toUri().toString());
            assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        }
    }

    /** Copies every file of a directory it is given, in a process with a locale of its own. */
    static final class Copy {
        public static void main(String[] arguments) throws Exception {
            Path directory = Path.of(arguments[0]);
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
                for (Path entry : entries) {
                    Transfer.from(entry).to(Path.of(URI.create(entry.toUri() + ".copy"))).run();
                }
            }
            // A string can only become a path if the locale's charset has its characters; that is decided by the JDK.
            try {
                Transfer.from(Path.of(directory + "/\u00fc")).to(directory.resolve("copy")).run();
                System.out.print("copied");
            } catch (java.nio.file.InvalidPathException e) {
                System.out.print("invalid path");
            }
        }
    }

    @Test
    void aLocaleThatCannotSayTheName() throws Exception {
        Files.write(directory.resolve("\u00fc"), CONTENT);
        for (String locale : new String[] {"C", "POSIX"}) {
            String said = Child.of(Copy.class, directory.toString()).environment("LC_ALL", locale).run();
            assertEquals("invalid path", said);
            Path copy = directory.resolve("\u00fc.copy");
            assertArrayEquals(CONTENT, Files.readAllBytes(copy));
            Files.delete(copy);
        }
        String said = Child.of(Copy.class, directory.toString()).environment("LC_ALL", "C.UTF-8").run();
        assertEquals("copied", said);
    }

    @Test
    void aNameThatIsTooLong() {
        Path source = directory.resolve("n".repeat(300));
        var e = assertThrows(
                java.nio.file.FileSystemException.class, () -> Transfer.from(source).to(directory.resolve("sink")).run());
        assertEquals(source.toString(), e.getFile());
        assertEquals("File name too long", e.getReason());
    }
}
