package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A region as the source of a transfer. */
class RegionTransferTest {
    private static final int SIZE = 3 << 20;

    @TempDir
    Path directory;

    @Test
    void partOfARegionGoesToAFileAndToASocket() throws Exception {
        byte[] content = Ends.pattern(SIZE);
        Path file = Files.write(directory.resolve("mapped"), content);
        byte[] expected = Arrays.copyOfRange(content, 5, SIZE - 7);
        try (MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY);
                Ends.Pair pair = Ends.tcp()) {
            Path copy = directory.resolve("copy");
            Report report = Transfer.from(region, 5, SIZE - 12).to(copy).run();
            assertEquals(SIZE - 12, report.bytes());
            assertArrayEquals(expected, Files.readAllBytes(copy));

            CompletableFuture<byte[]> received = CompletableFuture.supplyAsync(() -> {
                try {
                    return pair.far().socket().getInputStream().readNBytes(SIZE - 12);
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            Transfer.from(region, 5, SIZE - 12).to(pair.near()).run();
            assertArrayEquals(expected, received.get());
        }
    }

    @Test
    void aRegionThatIsClosedBeforeTheTransferRunsSendsNothing() throws Exception {
        Path copy = directory.resolve("copy");
        MappedRegion region = MappedRegion.open(Files.write(directory.resolve("mapped"), Ends.pattern(SIZE)), MapMode.READ_ONLY);
        Transfer transfer = Transfer.from(region, 0, SIZE).to(copy);
        region.close();
        assertEquals(0, assertThrows(TransferException.class, transfer::run).moved());
        assertFalse(Files.exists(copy));
        assertThrows(IllegalStateException.class, () -> Transfer.from(region, 0, 1));
    }

    @Test
    void thePathOfItsOwnFileIsRefusedBeforeItIsEmptied() throws Exception {
        byte[] content = Ends.pattern(SIZE);
        Path file = Files.write(directory.resolve("mapped"), content);
        for (MapMode mode : new MapMode[] {MapMode.READ_ONLY, MapMode.READ_WRITE, MapMode.PRIVATE}) {
            try (MappedRegion region = MappedRegion.open(file, mode)) {
                Transfer part = Transfer.from(region, 5, 100).to(file);
                Transfer buffer = Transfer.from(region.asByteBuffer(5, 100)).to(file);
                for (Transfer transfer : new Transfer[] {part, buffer}) {
                    Exception refused = assertThrows(IllegalArgumentException.class, transfer::run);
                    assertTrue(refused.getMessage().contains("the same file"), refused.getMessage());
                    assertArrayEquals(content, Files.readAllBytes(file));
                }
            }
        }
    }

    @Test
    void aRangeOutsideOfTheRegionIsRefused() throws Exception {
        try (MappedRegion region = MappedRegion.anonymous(4096)) {
            assertThrows(IndexOutOfBoundsException.class, () -> Transfer.from(region, 1, 4096));
            assertThrows(IndexOutOfBoundsException.class, () -> Transfer.from(region, -1, 1));
        }
    }
}
