package io.zcio;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.CoderMalfunctionError;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.Adler32;
import java.util.zip.CRC32;
import java.util.zip.CRC32C;
import java.util.zip.Deflater;

/** Uses buffers over a region after it was closed, and while it is being closed: a JVM of its own, because it may not survive. */
final class RegionCloseProgram {
    private static final int SIZE = 1 << 20;
    private static final byte FULL = 7;
    /** Whether buffers can be told that their region is closed. */
    static final boolean TOLD = JdkGeneration.current().getClass() != JdkGeneration.class;

    /** {@code RegionSegments.asMemorySegment}, by reflection, because these tests are compiled for 17. */
    static Method asSegment() throws ReflectiveOperationException {
        return Class.forName("io.zcio.RegionSegments")
                .getMethod("asMemorySegment", MappedRegion.class, long.class, long.class);
    }

    private RegionCloseProgram() {}

    /** What is done with a buffer; gives back null, or bytes of it, which must be zeroes. */
    private interface Use {
        byte[] run(ByteBuffer buffer) throws Exception;
    }

    private final Map<String, Use> cheap = new LinkedHashMap<>();
    private final Map<String, Use> costly = new LinkedHashMap<>();

    private void uses(Path directory) throws Exception {
        FileChannel file = FileChannel.open(
                directory.resolve("other"), StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
        file.write(ByteBuffer.allocate(SIZE), 0);
        FileChannel nowhere = FileChannel.open(Path.of("/dev/null"), StandardOpenOption.WRITE);
        Ends.Pair sockets = Ends.unix();
        Ends.background(() -> Ends.drain(sockets.far()));
        cheap.put("get", buffer -> {
            long sum = 0;
            for (int i = 0; i < 64; i++) {
                sum += buffer.get(i) + buffer.getInt(i) + buffer.getLong(i * 3) + buffer.getShort(i * 5);
            }
            return new byte[] {(byte) (sum | sum >> 8 | sum >> 16 | sum >> 24)};
        });
        cheap.put("relative get", buffer -> {
            buffer.position(0);
            return new byte[] {buffer.get(), buffer.get(), (byte) buffer.getDouble(), (byte) buffer.getChar()};
        });
        cheap.put("bulk get", buffer -> {
            byte[] bytes = new byte[100];
            buffer.get(50, bytes);
            return bytes;
        });
        cheap.put("views", buffer -> new byte[] {
            (byte) buffer.clear().asLongBuffer().get(3),
            buffer.slice(100, 50).get(7),
            buffer.duplicate().get(8),
            buffer.asReadOnlyBuffer().get(9),
            (byte) buffer.slice().asIntBuffer().get(2)
        });
        cheap.put("mismatch", buffer -> {
            int place = buffer.clear().limit(300).mismatch(ByteBuffer.allocate(300));
            return new byte[] {(byte) (place + 1)};
        });
        cheap.put("CRC32", buffer -> same(new CRC32(), buffer.clear().limit(3000)));
        cheap.put("CRC32C", buffer -> same(new CRC32C(), buffer.clear().limit(3000)));
        cheap.put("Adler32", buffer -> same(new Adler32(), buffer.clear().limit(3000)));
        costly.put("CRC32 of all", buffer -> same(new CRC32(), buffer.clear()));
        costly.put("Deflater", buffer -> {
            Deflater deflater = new Deflater();
            try {
                deflater.setInput(buffer.clear().limit(100_000));
                deflater.finish();
                byte[] compressed = new byte[200_000];
                // A hundred thousand zeroes make about a hundred bytes; other content would make more.
                return new byte[] {(byte) (deflater.deflate(compressed) < 200 ? 0 : 1)};
            } finally {
                deflater.end();
            }
        });
        costly.put("FileChannel.write", buffer -> {
            file.write(buffer.clear(), 0);
            ByteBuffer written = ByteBuffer.allocate(1000);
            file.read(written, 0);
            return written.array();
        });
        costly.put("FileChannel.write to nowhere", buffer -> {
            nowhere.write(new ByteBuffer[] {buffer.clear(), buffer.duplicate()});
            return null;
        });
        costly.put("SocketChannel.write", buffer -> {
            sockets.near().write(buffer.clear());
            return null;
        });
        costly.put("FileChannel.read", buffer -> {
            file.read(buffer.clear(), 0);
            return null;
        });
        costly.put("force, load, isLoaded", buffer -> {
            ((MappedByteBuffer) buffer).force();
            ((MappedByteBuffer) buffer).load();
            ((MappedByteBuffer) buffer).isLoaded();
            return null;
        });
        costly.put("decode", buffer -> {
            try {
                String text = StandardCharsets.ISO_8859_1.decode(buffer.clear().limit(1000)).toString();
                return text.getBytes(StandardCharsets.ISO_8859_1);
            } catch (CoderMalfunctionError e) {
                throw (RuntimeException) e.getCause();
            }
        });
        // Last: where buffers are not told, these change what the others would read.
        cheap.put("put", buffer -> {
            buffer.clear().put(3, (byte) 1).putLong(5, 2).put(new byte[50]).put(60, new byte[5]).putInt(9);
            return null;
        });
    }

    private static byte[] same(java.util.zip.Checksum checksum, ByteBuffer buffer) {
        byte[] zeroes = new byte[buffer.remaining()];
        checksum.update(buffer);
        long found = checksum.getValue();
        checksum.reset();
        checksum.update(zeroes);
        return new byte[] {(byte) (found == checksum.getValue() ? 0 : 1)};
    }

    private static MappedRegion open(Path directory, boolean readOnly) throws IOException {
        byte[] content = new byte[SIZE];
        Arrays.fill(content, FULL);
        Path file = Files.write(directory.resolve("file"), content);
        return MappedRegion.open(file, readOnly ? MapMode.READ_ONLY : MapMode.READ_WRITE);
    }

    /** That a buffer is of no use any more: it says so, or reads as zeroes. */
    static void assertEnded(ByteBuffer buffer) {
        try {
            check(!TOLD && buffer.get(0) == 0, "a buffer that reads " + buffer.get(0) + " after its region was closed");
        } catch (IllegalStateException e) {
            check(TOLD, "IllegalStateException from a buffer that cannot know");
        }
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    private void afterwards(Path directory, int rounds) throws Exception {
        for (boolean readOnly : new boolean[] {false, true}) {
            MappedRegion region = open(directory, readOnly);
            MappedByteBuffer buffer = region.asByteBuffer(0, SIZE);
            // Compiled for an open region first.
            for (int i = 0; i < rounds; i++) {
                check(cheap.get("get").run(buffer)[0] != 0, "content");
            }
            region.close();
            check(!Files.readString(Path.of("/proc/self/maps")).contains(directory + "/file"), "the file is still mapped");
            for (Map<String, Use> uses : List.of(costly, cheap)) {
                for (Map.Entry<String, Use> use : uses.entrySet()) {
                    int repeated = uses == cheap ? rounds : Math.min(rounds, 30);
                    for (int i = 0; i < repeated; i++) {
                        once(use.getKey(), use.getValue(), buffer, readOnly);
                    }
                }
            }
            byte[] content = Files.readAllBytes(directory.resolve("file"));
            for (byte value : content) {
                check(value == FULL, "what was written after the close went into the file");
            }
        }
    }

    private static void once(String name, Use use, ByteBuffer buffer, boolean readOnly) throws Exception {
        try {
            byte[] bytes = use.run(buffer.duplicate());
            check(!TOLD, name + " did not fail");
            if (bytes != null) {
                for (byte value : bytes) {
                    check(value == 0, name + " read " + value);
                }
            }
        } catch (IllegalStateException e) {
            check(TOLD, name + ": " + e);
        } catch (java.nio.ReadOnlyBufferException | IllegalArgumentException e) {
            check(readOnly, name + ": " + e);
        }
    }

    /** Threads that use a region and its buffer in every way while it is closed. */
    private void meanwhile(Path directory, int rounds) throws Exception {
        List<Use> all = new ArrayList<>(cheap.values());
        all.addAll(costly.values());
        for (int round = 0; round < rounds; round++) {
            MappedRegion region = open(directory, false);
            List<CompletableFuture<Void>> users = new ArrayList<>();
            for (int user = 0; user < 3; user++) {
                Use use = all.get((3 * round + user) % all.size());
                users.add(Ends.background(() -> {
                    ByteBuffer buffer = region.asByteBuffer(0, SIZE);
                    while (region.isOpen()) {
                        use.run(buffer.duplicate());
                    }
                    return null;
                }));
            }
            users.add(Ends.background(() -> {
                byte[] some = new byte[1000];
                long at = 0;
                while (true) {
                    at = (at + 4096) % (SIZE - 1000);
                    region.get(at, some, 0, 1000);
                    region.force(at, 1000);
                    for (int i = 0; i < 1000; i++) {
                        byte value = region.get(at + i);
                        check(value == FULL || value <= 2 && value >= 0 || some[i] == value, "a byte of " + value);
                    }
                }
            }));
            TimeUnit.MILLISECONDS.sleep(round % 8);
            region.close();
            region.close();
            for (CompletableFuture<Void> user : users) {
                try {
                    user.get(30, TimeUnit.SECONDS);
                } catch (java.util.concurrent.ExecutionException e) {
                    check(e.getCause() instanceof IllegalStateException, "user ended by " + e.getCause());
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        RegionCloseProgram program = new RegionCloseProgram();
        Path directory = Path.of(arguments[0]);
        program.uses(directory);
        if (arguments[1].equals("afterwards")) {
            program.afterwards(directory, Integer.parseInt(arguments[2]));
        } else {
            program.meanwhile(directory, Integer.parseInt(arguments[2]));
        }
        System.out.println("alive");
        // The thread that drains the socket is a daemon, and so is everything else.
    }
}
