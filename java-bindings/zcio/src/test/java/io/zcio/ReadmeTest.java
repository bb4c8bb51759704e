package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java example in the README, compiled and run as it stands there. */
class ReadmeTest {
    private static final Path README = Path.of("../../README.md");
    private static final Pattern BLOCK = Pattern.compile("^```java\\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE);

    @TempDir
    Path directory;

    @Test
    void theExampleDoesWhatItSays() throws Exception {
        Matcher blocks = BLOCK.matcher(Files.readString(README));
        assertTrue(blocks.find(), "no ```java block in " + README);
        compile(blocks.group(1));

        byte[] content = Ends.pattern(100_000);
        Path source = Files.write(directory.resolve("source"), content);
        Path sink = directory.resolve("sink");
        String said = Child.of("Example", source.toString(), sink.toString())
                .classPath(directory)
                .directory(directory)
                .run();
        System.out.print(said);
        assertArrayEquals(content, Files.readAllBytes(sink));
    }

    private void compile(String example) throws Exception {
        Path file = Files.writeString(directory.resolve("Example.java"), example);
        StringWriter said = new StringWriter();
        PrintWriter out = new PrintWriter(said, true);
        String classPath = Child.locationOf(Transfer.class).toString();
        int status = ToolProvider.findFirst("javac")
                .orElseThrow()
                .run(out, out, "-cp", classPath, "-d", directory.toString(), "-Xlint:all", "-Werror", file.toString());
        assertEquals("", said.toString());
        assertEquals(0, status);
    }
}
