package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Room for what will be stored in a region: asked for when it is made, or not even counted. */
class RegionRoomTest {
    private static final int SIZE = 1 << 20;
    private static final int ENOMEM = 12;
    private static final int ENOSPC = 28;

    @TempDir
    Path directory;

    /** Makes a region of a file in one of the ways there are. */
    private interface Way {
        MappedRegion of(Path file, MapMode mode, Room room) throws IOException;
    }

    private static final List<Way> WAYS = List.of(
            MappedRegion::open,
            (file, mode, room) -> MappedRegion.map(file, mode, 0, SIZE, room),
            (file, mode, room) -> {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                    return MappedRegion.map(channel, mode, 0, SIZE, room);
                }
            });

    private static Path hole(Path at, long size) throws IOException {
        Files.deleteIfExists(at);
        try (RandomAccessFile file = new RandomAccessFile(at.toFile(), "rw")) {
            file.setLength(size);
        }
        return at;
    }

    private static long storage(Path file) throws Exception {
        Process stat = new ProcessBuilder("stat", "-c", "%b", file.toString()).start();
        return 512 * Long.parseLong(new String(stat.getInputStream().readAllBytes()).strip());
    }

    private static int errno(Executable use) {
        return assertThrowsExactly(RegionException.class, use).errno().orElse(0);
    }

    @Test
    void whatIsReservedHasItsStorageAtOnce() throws Exception {
        for (Way way : WAYS) {
            Path file = hole(directory.resolve("file"), SIZE);
            way.of(file, MapMode.READ_WRITE, Room.USUAL).close();
            assertEquals(0, storage(file));
            way.of(file, MapMode.READ_WRITE, Room.RESERVED).close();
            assertTrue(storage(file) >= SIZE, "no storage");
            assertEquals(SIZE, Files.size(file));
        }
    }

    @Test
    void aFullDiskIsAnExceptionAtOnce() throws Exception {
        try (Require.Mount mount = Require.mount(directory.resolve("small"), "size=512k")) {
            for (Way way : WAYS) {
                Path file = hole(directory.resolve("small/file"), SIZE);
                assertEquals(ENOSPC, errno(() -> way.of(file, MapMode.READ_WRITE, Room.RESERVED)));
                way.of(file, MapMode.READ_WRITE, Room.USUAL).close();
            }
        }
    }

    @Test
    void whatIsNotReservedIsNotCounted() throws Exception {
        for (Way way : WAYS) {
            Path file = hole(directory.resolve("file"), SIZE);
            try (MappedRegion region = way.of(file, MapMode.PRIVATE, Room.NOT_RESERVED)) {
                assertTrue(flags(file).contains("nr"), "not MAP_NORESERVE");
                region.put(SIZE - 1, (byte) 1);
            }
            try (MappedRegion counted = way.of(file, MapMode.PRIVATE, Room.USUAL)) {
                assertFalse(flags(file).contains("nr"), counted + " with MAP_NORESERVE");
            }
        }
    }

    @Test
    void moreMemoryThanThereIs() throws Exception {
        String overcommit = Files.readString(Path.of("/proc/sys/vm/overcommit_memory")).strip();
        Require.that(!overcommit.equals("2"), "memory that is counted in any case (vm.overcommit_memory)");
        long vast = 1L << 44;
        try (MappedRegion region = MappedRegion.anonymous(vast, Room.NOT_RESERVED)) {
            region.putLong(vast / 2 + 1, 42);
            assertEquals(42, region.getLong(vast / 2 + 1));
        }
        Path file = hole(directory.resolve("file"), vast / 4);
        MappedRegion.open(file, MapMode.PRIVATE, Room.NOT_RESERVED).close();
        if (overcommit.equals("0")) {
            assertEquals(ENOMEM, errno(() -> MappedRegion.anonymous(vast)));
            assertEquals(ENOMEM, errno(() -> MappedRegion.open(file, MapMode.PRIVATE)));
        }
    }

    /** What /proc/self/smaps says of the only mapping of a file. */
    private static List<String> flags(Path file) throws IOException {
        List<String> lines = Files.readAllLines(Path.of("/proc/self/smaps"));
        int at = 0;
        while (!lines.get(at).endsWith(file.toString())) {
            at++;
        }
        while (!lines.get(at).startsWith("VmFlags:")) {
            at++;
        }
        return List.of(lines.get(at).split(" +"));
    }

    @Test
    void roomThatThereIsNotInAModeIsRefused() throws Exception {
        Path file = hole(directory.resolve("file"), SIZE);
        for (Way way : WAYS) {
            for (MapMode mode : List.of(MapMode.READ_ONLY, MapMode.PRIVATE)) {
                assertThrowsExactly(IllegalArgumentException.class, () -> way.of(file, mode, Room.RESERVED));
            }
            for (MapMode mode : List.of(MapMode.READ_ONLY, MapMode.READ_WRITE)) {
                assertThrowsExactly(IllegalArgumentException.class, () -> way.of(file, mode, Room.NOT_RESERVED));
            }
            assertThrowsExactly(NullPointerException.class, () -> way.of(file, MapMode.READ_WRITE, null));
        }
        assertThrowsExactly(IllegalArgumentException.class, () -> MappedRegion.anonymous(1, Room.RESERVED));
        assertThrowsExactly(NullPointerException.class, () -> MappedRegion.anonymous(1, null));
        assertEquals(0, storage(file));
    }
}
