package io.zcio;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;

/** Closes a region while the process has as many mappings as it may: a JVM of its own, which has no use for more meanwhile. */
final class RegionMappingsProgram {
    private static final long PAGE = 4096;

    private RegionMappingsProgram() {}

    public static void main(String[] arguments) throws Exception {
        Path file = Files.write(Path.of(arguments[0], "file"), new byte[] {1, 2, 3});
        prepare(Files.copy(file, Path.of(arguments[0], "another")));
        long most = Long.parseLong(Files.readAllLines(Path.of("/proc/sys/vm/max_map_count")).get(0));
        MappedRegion many = MappedRegion.anonymous(2 * most * PAGE);
        MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY);
        // Its addresses are to stay, and another mapping in the place of its own is what there is no room for.
        ByteBuffer view = region.asByteBuffer(0, 3);
        FileChannel channel = FileChannel.open(file);
        MappedByteBuffer more = null;
        String refused = null;
        boolean open = true;
        try {
            // Every second page is a mapping of its own.
            for (long page = 1;; page += 2) {
                many.advise(page * PAGE, PAGE, Advice.RANDOM);
            }
        } catch (IOException e) {
            // The last one that there may be: a mapping that is split must leave room for one, a new one need not.
            more = channel.map(MapMode.READ_ONLY, 0, 3);
            try {
                region.close();
            } catch (UncheckedIOException f) {
                refused = f.getMessage();
                open = region.isOpen();
            }
        }
        many.advise(0, many.size(), Advice.NORMAL);
        boolean before = maps(file) == 2;
        region.close();
        region.close();
        boolean after = maps(file) == 1 && more.get(2) == 3 && view.limit() == 3;
        many.close();
        channel.close();
        System.out.println(refused + " open " + open + " there " + before + " gone " + after);
    }

    /** Loads every class that is needed later: then there is no room for another one. */
    private static void prepare(Path file) throws IOException {
        MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY);
        region.asByteBuffer(0, 3).get(0);
        region.close();
        region.isOpen();
        try (FileChannel channel = FileChannel.open(file)) {
            channel.map(MapMode.READ_ONLY, 0, 3).get(2);
        }
        try {
            MappedRegion.anonymous(1L << 61).close();
            throw new AssertionError("there is no such memory");
        } catch (IOException e) {
            new UncheckedIOException(e).getMessage();
        }
        System.out.println("prepared with " + maps(file));
    }

    private static long maps(Path file) throws IOException {
        try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.endsWith(file.toString())).count();
        }
    }
}
