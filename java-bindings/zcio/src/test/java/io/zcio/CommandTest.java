package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code java -jar zcio.jar}: the command itself is tested with the core, its way through the JVM is tested here. */
class CommandTest {
    private static final String JAVA = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    private static final String JAR = System.getProperty("zcio.jar");

    @TempDir
    Path directory;

    private record Ended(int status, byte[] out, String errors) {
        void isQuiet() {
            // A warning of native access (JDK 24 and later) would be here.
            assertEquals("0 ", status + " " + errors);
        }
    }

    private ProcessBuilder command(Object... arguments) {
        // A shell lets its background jobs ignore Ctrl-C, and what is ignored is inherited.
        List<String> words = new ArrayList<>(List.of("env", "--default-signal=INT", JAVA, "-Xmx64m", "-jar", JAR));
        for (Object argument : arguments) {
            words.add(argument.toString());
        }
        return new ProcessBuilder(words);
    }

    private Ended run(ProcessBuilder builder) throws Exception {
        File errors = directory.resolve("errors").toFile();
        Process process = builder.redirectError(errors).start();
        byte[] out = process.getInputStream().readAllBytes();
        return new Ended(process.waitFor(), out, Files.readString(errors.toPath()));
    }

    private Path source(int length) throws Exception {
        return Files.write(directory.resolve("from"), Ends.pattern(length));
    }

    @Test
    void itIsTheSameCommandAndTheJvmAddsNothing() throws Exception {
        Ended version = run(command("--version"));
        version.isQuiet();
        assertTrue(new String(version.out()).matches("zcio \\d+\\.\\d+\\.\\d+\\n"), new String(version.out()));
    }

    @Test
    void itCopiesAndReports() throws Exception {
        Path from = source(3_000_000);
        Path to = directory.resolve("to");
        Ended copied = run(command("copy", from, to, "--json"));
        copied.isQuiet();
        assertArrayEquals(Files.readAllBytes(from), Files.readAllBytes(to));
        assertTrue(new String(copied.out()).contains("\"bytes\": 3000000"), new String(copied.out()));
    }

    @Test
    void itWritesToTheProcessesOwnOutput() throws Exception {
        Path from = source(3_000_001);
        Ended sent = run(command("send", from, "-"));
        sent.isQuiet();
        assertArrayEquals(Files.readAllBytes(from), sent.out());
    }

    @Test
    void theExitCodeIsTheCommands() throws Exception {
        Ended failed = run(command("copy", "/nonexistent", directory.resolve("to")));
        assertEquals(1, failed.status());
        assertEquals("zcio: open: No such file or directory: /nonexistent\n", failed.errors());
        assertEquals(2, run(command("teleport")).status());
    }

    /** A name that is no text in any encoding, in a locale that has none beyond ASCII. */
    @Test
    void aPathIsWhatTheShellGave() throws Exception {
        Path from = source(1000);
        String script = "name=$(printf '" + directory + "/\\377\\303\\244'); cp " + from + " \"$name\"; "
                + "exec " + JAVA + " -jar " + JAR + " send \"$name\" -";
        ProcessBuilder shell = new ProcessBuilder("sh", "-c", script);
        shell.environment().put("LC_ALL", "C");
        Ended sent = run(shell);
        sent.isQuiet();
        assertArrayEquals(Files.readAllBytes(from), sent.out());
    }

    @Test
    void ctrlCEndsTheCommandWithItsOwnCleanUp() throws Exception {
        for (String signal : List.of("INT", "TERM")) {
            Path socket = directory.resolve("socket");
            Path to = directory.resolve("to");
            Process waiting = command("recv", "--listen", "unix:" + socket, to).start();
            while (!Files.exists(socket)) {
                assertTrue(waiting.isAlive());
                Thread.sleep(5);
            }
            new ProcessBuilder("kill", "-" + signal, Long.toString(waiting.pid())).start().waitFor();
            assertTrue(waiting.waitFor(60, TimeUnit.SECONDS));
            assertEquals(signal.equals("INT") ? 130 : 143, waiting.exitValue());
            assertEquals("zcio: accept: interrupted\n", new String(waiting.getErrorStream().readAllBytes()));
            assertFalse(Files.exists(socket) || Files.exists(to));
        }
    }

    /** The thread that sleeps in a write to a full pipe is not the one that the kernel gives the signal to. */
    @Test
    void ctrlCReachesAThreadThatSleepsInASystemCall() throws Exception {
        Process stuck = command("send", source(3_000_000), "-").start();
        // Not one byte is read before: the pipe is full and stays so.
        while (stuck.getInputStream().available() == 0) {
            Thread.sleep(5);
        }
        Thread.sleep(300);
        new ProcessBuilder("kill", "-INT", Long.toString(stuck.pid())).start().waitFor();
        assertTrue(stuck.waitFor(60, TimeUnit.SECONDS));
        assertEquals(130, stuck.exitValue());
    }
}
