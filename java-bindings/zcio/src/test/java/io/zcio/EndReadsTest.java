package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.zcio.EndRow.Made;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The table of {@link EndLifeTest} for {@link Reads}: while reads are made another thread closes the file, whose number becomes
 * another one's, or takes the memory away. Each read has bytes of its own file, or says why not, and no position says more.
 */
@Timeout(120)
class EndReadsTest {
    private static final int PIECE = 4096;
    private static final int PIECES = EndLifeTest.LENGTH / PIECE;
    private static final int OTHERS = 24;

    @TempDir
    Path directory;

    private final byte[] content = new byte[EndLifeTest.LENGTH];
    private final List<FileChannel> others = new ArrayList<>();

    EndReadsTest() {
        Arrays.fill(content, (byte) 1);
    }

    /** What reads take: files that are open, and buffers, those over regions included. */
    private static final Set<EndRow> FILES = EnumSet.of(EndRow.FILE, EndRow.ZERO_COPY_FILE);

    private static final Set<EndRow> MEMORY =
            EnumSet.of(EndRow.BUFFER, EndRow.ARENA, EndRow.REGION, EndRow.SHARED_REGION);

    @Test
    void everyKindOfMemoryHasARow() {
        for (EndRow row : EndRow.values()) {
            // What receives is read-only.
            assertEquals(row.isMemory() && row != EndRow.RECEIVING_REGION, MEMORY.contains(row), row.toString());
            assertEquals(row.kind == End.Kind.FILE && !row.isFifo(), FILES.contains(row), row.toString());
        }
    }

    @TestFactory
    Stream<DynamicTest> table() {
        List<DynamicTest> table = new ArrayList<>();
        // One by one they are made in another way, once the file is known.
        for (int depth : new int[] {8, 1}) {
            String name = ", depth " + depth;
            for (EndRow file : FILES) {
                table.add(DynamicTest.dynamicTest(
                        file + " as source" + name, () -> cell(file, EndRow.BUFFER, file, false, depth)));
            }
            for (EndRow memory : MEMORY) {
                if (memory.canBeSink()) {
                    table.add(DynamicTest.dynamicTest(
                            memory + " as sink" + name, () -> cell(EndRow.FILE, memory, memory, false, depth)));
                    if (memory.canBeResized()) {
                        table.add(DynamicTest.dynamicTest(
                                memory + " as sink, resized" + name,
                                () -> cell(EndRow.FILE, memory, memory, true, depth)));
                    }
                }
            }
        }
        return table.stream();
    }

    private void cell(EndRow fileRow, EndRow memoryRow, EndRow subject, boolean resized, int depth) throws Exception {
        try (Made source = new Made(fileRow, directory, content);
                Made sink = new Made(memoryRow, directory, null);
                Reads reads = new Reads(depth)) {
            FileChannel file = (FileChannel) source.end;
            ByteBuffer all = sink.end instanceof MappedRegion region
                    ? region.asByteBuffer(0, EndLifeTest.LENGTH)
                    : (ByteBuffer) sink.end;
            assertTrue(run(reads, file, all, sink, new CompletableFuture<>()));
            CompletableFuture<Void> begun = new CompletableFuture<>();
            CompletableFuture<Void> struck = Ends.background(() -> {
                begun.get(20, TimeUnit.SECONDS);
                strike(subject == fileRow ? source : sink, resized);
                return null;
            });
            // It comes into the midst of one of them.
            for (int after = 0, round = 0; after < 3; after += struck.isDone() ? 1 : 0, round++) {
                if (!run(reads, file, all, sink, begun)) {
                    begun.complete(null);
                    break;
                }
            }
            struck.get(20, TimeUnit.SECONDS);
            for (FileChannel other : others) {
                assertEquals(0, other.position());
                assertEquals(content.length, other.size());
            }
        } finally {
            for (FileChannel other : others) {
                other.close();
            }
            others.clear();
        }
    }

    private void strike(Made subject, boolean resized) throws IOException {
        if (resized) {
            try {
                subject.resize(EndLifeTest.LENGTH, false);
            } catch (RegionException e) {
                // A read is being made into it.
            }
            return;
        }
        Path other = directory.resolve("foreign");
        byte[] foreign = new byte[content.length];
        Arrays.fill(foreign, (byte) 2);
        Files.write(other, foreign);
        subject.lose(directory.resolve("aside"), other);
        for (int i = 0; i < OTHERS; i++) {
            others.add(FileChannel.open(other, StandardOpenOption.READ, StandardOpenOption.WRITE));
        }
    }

    /** False if it was refused as a whole. */
    private boolean run(Reads reads, FileChannel file, ByteBuffer all, Made sink, CompletableFuture<Void> begun)
            throws Exception {
        List<ByteBuffer> buffers = new ArrayList<>();
        ReadsReport report;
        try {
            List<Reads.Item> items = new ArrayList<>();
            for (int i = 0; i < PIECES; i++) {
                ByteBuffer piece = all.slice(i * PIECE, PIECE);
                buffers.add(piece);
                items.add(Reads.read(file, (long) i * PIECE, piece));
            }
            begun.complete(null);
            report = reads.run(items);
        } catch (IOException | IllegalStateException e) {
            buffers.forEach(buffer -> assertEquals(0, buffer.position()));
            return false;
        }
        for (int i = 0; i < PIECES; i++) {
            ReadsReport.Result read = report.reads().get(i);
            assertEquals(read.bytes(), buffers.get(i).position(), read::toString);
            assertTrue(read.failure().isPresent() || read.bytes() == PIECE, read::toString);
            for (int at = 0; at < read.bytes(); at += 512) {
                byte found;
                try {
                    found = buffers.get(i).get(at);
                } catch (IllegalStateException e) {
                    // Closed by now.
                    continue;
                }
                boolean emptied = found == 0 && sink.end instanceof MappedRegion;
                assertTrue(found == 1 || emptied, () -> "a byte of another file: " + found);
            }
        }
        return true;
    }
}
