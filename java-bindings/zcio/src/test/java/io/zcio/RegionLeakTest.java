package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Regions that nobody closed: given back and reported, and not before the last buffer over them is gone. */
class RegionLeakTest {
    @TempDir
    Path directory;

    private String run(boolean detection) throws Exception {
        Path file = Files.write(directory.resolve("precious"), Ends.pattern(10_000));
        return Child.of(Program.class, file.toString())
                .property(Leaks.DETECTION, detection)
                .run();
    }

    private static int count(String text, String part) {
        return text.split(java.util.regex.Pattern.quote(part), -1).length - 1;
    }

    @Test
    void reportedOnce() throws Exception {
        String said = run(false);
        assertEquals(1, count(said, "was forgotten"), said);
        assertTrue(said.contains("-Dio.zcio.leakDetection=true"), said);
    }

    @Test
    void eachWithThePlaceWhereItWasMade() throws Exception {
        String said = run(true);
        assertEquals(4, count(said, "was forgotten"), said);
        assertEquals(4, count(said, "Program.forget("), said);
        assertEquals(4, count(said, "/precious was forgotten"), said);
    }

    /** Forgets a stepper and a batch, and closes one of each. */
    static final class Others {
        private Others() {}

        private static void forget(Path file) throws Exception {
            new Batch();
            Transfer.from(file).to(file.resolveSibling("copy")).start();
            new Batch().close();
            Transfer.from(file).to(file.resolveSibling("copy")).start().close();
            Stepper<Report> done = Transfer.from(file).to(file.resolveSibling("copy")).start();
            while (!(done.step() instanceof Step.Done)) {}
        }

        public static void main(String[] arguments) throws Exception {
            java.io.ByteArrayOutputStream said = new java.io.ByteArrayOutputStream();
            System.setErr(new java.io.PrintStream(said, true));
            forget(Path.of(arguments[0]));
            for (int i = 0; count(said.toString(), "was forgotten") < Integer.parseInt(arguments[1]) && i < 3000; i++) {
                System.gc();
                Thread.sleep(20);
            }
            System.out.println(said);
        }
    }

    @Test
    void steppersAndBatchesToo() throws Exception {
        Path file = Files.write(directory.resolve("precious"), Ends.pattern(10_000));
        String said = Child.of(Others.class, file.toString(), "2").property(Leaks.DETECTION, true).run();
        assertEquals(2, count(said, "was forgotten"), said);
        assertTrue(said.contains("a batch was forgotten") && said.contains("a stepper was forgotten"), said);
        assertEquals(2, count(said, "Others.forget("), said);
        said = Child.of(Others.class, file.toString(), "1").run();
        assertEquals(1, count(said, "was forgotten"), said);
    }

    /** Forgets four regions, closes one, and keeps a buffer over one. */
    static final class Program {
        private Program() {}

        private static ByteBuffer forget(Path file) throws Exception {
            for (int i = 0; i < 3; i++) {
                MappedRegion.open(file, MapMode.READ_ONLY).get(5);
            }
            MappedRegion.open(file, MapMode.READ_ONLY).close();
            return MappedRegion.open(file, MapMode.READ_ONLY).asByteBuffer(1000, 100).slice(5, 50);
        }

        private static long mappings(Path file) throws Exception {
            return Files.readAllLines(Path.of("/proc/self/maps")).stream()
                    .filter(line -> line.endsWith(file.toString()))
                    .count();
        }

        private static void collectUntil(long expected, Path file) throws Exception {
            for (int i = 0; mappings(file) != expected; i++) {
                if (i == 3000) {
                    throw new AssertionError(mappings(file) + " mappings instead of " + expected);
                }
                System.gc();
                Thread.sleep(20);
            }
        }

        public static void main(String[] arguments) throws Exception {
            Path file = Path.of(arguments[0]);
            ByteBuffer kept = forget(file);
            collectUntil(1, file);
            byte[] content = Files.readAllBytes(file);
            for (int i = 0; i < 50; i++) {
                if (kept.get(i) != content[1005 + i]) {
                    throw new AssertionError("a buffer over a forgotten region lost its content");
                }
            }
            kept = null;
            collectUntil(0, file);
            for (int i = 0; i < 20; i++) {
                System.gc();
                Thread.sleep(10);
            }
        }
    }
}
