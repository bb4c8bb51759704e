package io.zcio;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.Adler32;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file that is cut short under a region: exceptions, and with the guard zeroes, but never the end of the JVM. */
class RegionTruncationTest {
    private static final int SIZE = 64 * 4096;
    private static final int EFAULT = 14;

    @TempDir
    Path directory;

    @Test
    void exceptions() throws Exception {
        for (String options : new String[] {"-Dx=y", "-Xint"}) {
            String said = Child.of(Program.class, directory.toString(), "unguarded", options.equals("-Xint") ? "100" : "25000")
                    .environment("JDK_JAVA_OPTIONS", options)
                    .run();
            assertTrue(said.contains("alive"), said);
        }
    }

    @Test
    void theGuard() throws Exception {
        for (String options : new String[] {"-Dx=y", "-Xint"}) {
            String said = Child.of(Program.class, directory.toString(), "guarded")
                    .environment("JDK_JAVA_OPTIONS", options)
                    .run();
            assertTrue(said.contains("alive"), said);
        }
    }

    /** A JVM of its own: a SIGBUS that is not answered ends it, and the guard stays. */
    static final class Program {
        private Program() {}

        public static void main(String[] arguments) throws Exception {
            Path directory = Path.of(arguments[0]);
            if (arguments[1].equals("guarded")) {
                List<String> without = copies(cut(directory));
                MappedRegion.installGuard();
                MappedRegion.installGuard();
                check(without.equals(copies(cut(directory))), without + " without the guard");
                for (int i = 0; i < 50; i++) {
                    guarded(cut(directory));
                }
            }
            // With the guard, NIO's own mappings fault as before.
            Path file = Files.write(directory.resolve("nio"), new byte[SIZE]);
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                MappedByteBuffer buffer = channel.map(MapMode.READ_WRITE, 0, SIZE);
                channel.truncate(4096);
                expectInternalError(() -> buffer.get(5 * 4096));
            }
            if (arguments[1].equals("unguarded")) {
                unguarded(cut(directory), Integer.parseInt(arguments[2]));
            }
            System.out.println("alive");
        }

        private static MappedRegion cut(Path directory) throws IOException {
            Path file = Files.write(directory.resolve("file"), Ends.pattern(SIZE));
            MappedRegion region = MappedRegion.open(file, MapMode.READ_WRITE);
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(4096 + 10);
            }
            return region;
        }

        private static void unguarded(MappedRegion region, int rounds) throws Exception {
            byte[] bytes = new byte[SIZE];
            expectInternalError(() -> region.getLong(5 * 4096));
            check(faults(region, rounds) > 0, "no error");
            expectInternalError(() -> region.put(6 * 4096, (byte) 1));
            expectInternalError(() -> region.get(0, bytes, 0, SIZE));
            expectFault(() -> {
                region.read(0, bytes, 0, SIZE);
                return null;
            });
            expectFault(() -> {
                region.write(10 * 4096, bytes, 0, 1);
                return null;
            });
            expectFault(() -> {
                region.populate(0, SIZE, false);
                return null;
            });
            region.read(0, bytes, 0, 4096);
            check(bytes[4095] == Ends.pattern(4096)[4095], "content");
            try (FileChannel nowhere = FileChannel.open(Path.of("/proc/self/comm"), StandardOpenOption.WRITE)) {
                nowhere.write(region.asByteBuffer(20 * 4096, 10));
                throw new AssertionError("written");
            } catch (IOException e) {
                check(e.getMessage().contains("Bad address"), e.toString());
            }
            region.close();
        }

        /** Loads from what is left until the loop is compiled, and then from a page that is gone. */
        private static int faults(MappedRegion region, int rounds) {
            int errors = 0;
            for (int i = 0; i < rounds; ) {
                try {
                    while (i++ < rounds) {
                        region.getLong(i < rounds - 50 ? i % 4000 : 5 * 4096);
                    }
                    settle();
                } catch (InternalError e) {
                    errors++;
                }
            }
            return errors;
        }

        /** The JVM throws the error of compiled code when it next looks: at the latest here. */
        private static void settle() {
            try {
                Thread.sleep(1);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        /** What is said of checked copies that come to a page which is gone, and what they copy before. */
        private static List<String> copies(MappedRegion region) throws IOException {
            List<String> said = new ArrayList<>();
            for (int offset : new int[] {0, 1, 4095, 4096, 4096 + 10, 8191, 8192, SIZE - 1}) {
                for (int length : new int[] {1, 4096, SIZE - offset}) {
                    byte[] bytes = new byte[Math.min(length, SIZE - offset)];
                    for (Ends.Work<Void> copy : List.<Ends.Work<Void>>of(
                            () -> {
                                region.read(offset, bytes, 0, bytes.length);
                                return null;
                            },
                            () -> {
                                region.write(offset, bytes, 0, bytes.length);
                                return null;
                            })) {
                        try {
                            copy.run();
                            said.add(offset + ": " + Arrays.hashCode(bytes));
                        } catch (Exception e) {
                            said.add(offset + ": " + e);
                        }
                    }
                }
            }
            // They put no zeroes anywhere.
            region.check();
            region.close();
            check(said.toString().contains("RegionException"), said.toString());
            return said;
        }

        private static void guarded(MappedRegion region) throws Exception {
            MappedByteBuffer view = region.asByteBuffer(0, SIZE);
            region.check();
            new CRC32().update(view.duplicate());
            new Adler32().update(view.duplicate());
            Deflater deflater = new Deflater(1);
            deflater.setInput(view.duplicate());
            deflater.deflate(new byte[SIZE]);
            deflater.end();
            check(region.get(100) == Ends.pattern(101)[100], "what is left of the file");
            check(region.getLong(30 * 4096) == 0, "zeroes");
            expectFault(() -> {
                region.check();
                return null;
            });
            expectFault(() -> {
                region.force(0, 1);
                return null;
            });
            region.close();
            RegionCloseProgram.assertEnded(view);
        }

        private static void expectFault(Ends.Work<Void> use) {
            try {
                use.run();
            } catch (RegionException e) {
                check(e.errno().getAsInt() == EFAULT, e.toString());
                return;
            } catch (Throwable e) {
                throw new AssertionError("another exception", e);
            }
            throw new AssertionError("no exception");
        }

        private static void expectInternalError(Runnable use) {
            try {
                use.run();
                settle();
            } catch (InternalError e) {
                return;
            }
            throw new AssertionError("no error");
        }

        private static void check(boolean holds, String what) {
            if (!holds) {
                throw new AssertionError(what);
            }
        }
    }
}
