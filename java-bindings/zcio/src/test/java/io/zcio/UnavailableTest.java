package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Without the native library: everything says why, in one kind of error, every time, and file channels are the JDK's. */
class UnavailableTest {
    @TempDir
    Path directory;

    /** Uses everything that leads to native code, twice. */
    static final class Everything {
        private static Map<String, Callable<?>> uses(Path file, Path sink) throws Exception {
            FileChannel channel = FileChannel.open(file);
            SocketChannel socket = SocketChannel.open();
            Pipe pipe = Pipe.open();
            Map<String, Callable<?>> all = new LinkedHashMap<>();
            // Before it was asked what it can be used with.
            all.put("peer", () -> SharedRegion.receive(socket, Peer.sameUser()));
            all.put("path", () -> Transfer.from(file).to(sink).run());
            all.put("channel", () -> Transfer.from(channel).to(sink).run());
            all.put("socket", () -> Transfer.from(socket).to(sink).start());
            all.put("pipe", () -> Transfer.from(pipe.source()).to(sink).run());
            all.put("buffer", () -> Transfer.from(ByteBuffer.allocateDirect(1)).to(sink).run());
            all.put("fan-out", () -> FanOut.from(file).to(sink).run());
            all.put("relay", () -> Relay.between(socket, socket).run());
            all.put("batch", Batch::new);
            all.put("batch's source", () -> Batch.from(file).to(sink));
            all.put("copy", () -> Copy.of(file, sink).run());
            all.put("residency", () -> FileResidency.of(file, 0, 1));
            all.put("residency of a channel", () -> FileResidency.of(channel, 0, 1));
            all.put("region", () -> MappedRegion.open(file, MapMode.READ_ONLY));
            all.put("region of a channel", () -> MappedRegion.map(channel, MapMode.READ_ONLY, 0, 1));
            all.put("memory", () -> MappedRegion.anonymous(1));
            all.put("shared memory", () -> SharedRegion.create(1));
            all.put("guard", () -> {
                MappedRegion.installGuard();
                return null;
            });
            all.put("channel of ours", () -> ZeroCopyFileChannel.of(channel));
            return all;
        }

        public static void main(String[] arguments) throws Exception {
            Path file = Files.writeString(Path.of(arguments[0], "file"), "hello");
            Path sink = Path.of(arguments[0], "sink");
            Map<String, Callable<?>> uses = uses(file, sink);
            TreeSet<String> answers = new TreeSet<>();
            for (int i = 0; i < 2; i++) {
                for (var use : uses.entrySet()) {
                    try {
                        use.getValue().call();
                        System.out.println(use.getKey() + " works");
                    } catch (UnsatisfiedLinkError e) {
                        answers.add(e.getMessage());
                    } catch (Throwable e) {
                        System.out.println(use.getKey() + ": " + e);
                    }
                }
            }
            System.out.println(Zcio.isAvailable() + ", " + answers.size() + " kind");
            System.out.println(answers.contains(Zcio.unavailabilityCause().orElseThrow().getMessage()));
            System.out.println(answers.first());
        }
    }

    @Test
    void everythingSaysWhyEachTime() throws Exception {
        String said = Child.of(Everything.class, directory.toString()).property("os.arch", "foreign").run();
        assertTrue(said.startsWith("false, 1 kind\ntrue\n"), said);
        assertTrue(said.contains("no library for linux-foreign, but for [linux-"), said);
        assertTrue(said.contains(NativeLibrary.PATH) && !said.contains("noexec"), said);
        assertTrue(Files.notExists(directory.resolve("sink")));
    }

    /** Opens channels, reads and sends. */
    static final class Channels {
        public static void main(String[] arguments) throws Exception {
            Path file = Files.writeString(Path.of(arguments[0], "file"), "hello");
            long before = descriptors();
            for (int i = 0; i < 100; i++) {
                try (FileChannel source = ZeroCopyFileChannel.open(file);
                        FileChannel sink = ZeroCopyFileChannel.open(
                                file.resolveSibling("copy"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                    source.transferTo(0, 5, sink);
                    System.out.println(source.getClass().getName());
                }
            }
            System.out.println(Files.readString(file.resolveSibling("copy")) + " " + (descriptors() - before));
        }

        private static long descriptors() throws Exception {
            try (var open = Files.list(Path.of("/proc/self/fd"))) {
                return open.count();
            }
        }
    }

    @Test
    void aFileChannelIsTheJdksOwn() throws Exception {
        String said = Child.of(Channels.class, directory.toString()).property("os.arch", "foreign").run();
        assertEquals(100, said.lines().filter(line -> line.equals("sun.nio.ch.FileChannelImpl")).count(), said);
        assertEquals(1, said.lines().filter(line -> line.startsWith("WARNING: file channels are the JDK's own: ")).count(), said);
        assertTrue(said.endsWith("hello 0\n"), said);
    }
}
