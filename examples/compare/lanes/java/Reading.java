import com.sun.nio.file.ExtendedOpenOption;
import io.zcio.Reads;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;

/** Blocks at random places of a file. */
final class Reading {

    private static final int BLOCK = 4096;
    /** Reads that are asked for in one call. */
    private static final int A_CALL = 64;

    private Reading() {}

    static void random(Job job, String method, boolean direct) throws Exception {
        Set<OpenOption> options =
                direct ? Set.of(StandardOpenOption.READ, ExtendedOpenOption.DIRECT) : Set.of(StandardOpenOption.READ);
        int depth = (int) job.number("depth");
        boolean content = job.text("check").equals("content");
        if (method.equals("zcio_reads")) {
            try (FileChannel in = FileChannel.open(job.path("source"), options);
                    Reads reads = new Reads(depth)) {
                long[] places = places((int) job.number("blocks"), in.size() / BLOCK);
                job.timed(() -> new Job.Moved((long) places.length * BLOCK, null, many(reads, in, places, content)));
            }
            return;
        }
        ExecutorService threads = Executors.newFixedThreadPool(depth);
        try (FileChannel in = FileChannel.open(job.path("source"), options)) {
            long[] places = places((int) job.number("blocks"), in.size() / BLOCK);
            job.timed(() -> {
                int share = (places.length + depth - 1) / depth;
                List<Future<Long>> readers = new ArrayList<>();
                for (int from = 0; from < places.length; from += share) {
                    int first = from;
                    int end = Math.min(from + share, places.length);
                    readers.add(threads.submit(() -> sum(in, places, first, end, content)));
                }
                long sum = 0;
                for (Future<Long> reader : readers) {
                    sum += reader.get();
                }
                return new Job.Moved((long) places.length * BLOCK, null, sum);
            });
        } finally {
            threads.shutdown();
        }
    }

    /** The same sequence in every language: see src/routes/random_read.rs. */
    private static long[] places(int count, long inFile) {
        long state = 1;
        long[] places = new long[count];
        for (int index = 0; index < count; index++) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            places[index] = (state >>> 33) % inFile * BLOCK;
        }
        return places;
    }

    private static long many(Reads reads, FileChannel in, long[] places, boolean content) throws IOException {
        ByteBuffer[] blocks = new ByteBuffer[A_CALL];
        for (int i = 0; i < A_CALL; i++) {
            blocks[i] = block();
        }
        CRC32 checksum = new CRC32();
        List<Reads.Item> items = new ArrayList<>(A_CALL);
        long sum = 0;
        for (int first = 0; first < places.length; first += A_CALL) {
            int count = Math.min(A_CALL, places.length - first);
            items.clear();
            for (int i = 0; i < count; i++) {
                items.add(Reads.read(in, places[first + i], blocks[i].clear()));
            }
            if (reads.run(items).bytes() != (long) count * BLOCK) {
                throw new EOFException("the file has become shorter");
            }
            for (int i = 0; i < count; i++) {
                sum += digest(blocks[i], checksum, content);
            }
        }
        return sum;
    }

    /** Aligned, as O_DIRECT wants it. */
    private static ByteBuffer block() {
        ByteBuffer block = ByteBuffer.allocateDirect(2 * BLOCK).alignedSlice(BLOCK).limit(BLOCK);
        return block.slice(0, BLOCK).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static long digest(ByteBuffer block, CRC32 checksum, boolean content) {
        if (!content) {
            return block.getLong(0);
        }
        checksum.reset();
        checksum.update(block.flip());
        return checksum.getValue();
    }

    private static long sum(FileChannel in, long[] places, int from, int end, boolean content) throws IOException {
        ByteBuffer block = block();
        CRC32 checksum = new CRC32();
        long sum = 0;
        for (int index = from; index < end; index++) {
            block.clear();
            while (block.hasRemaining()) {
                if (in.read(block, places[index] + block.position()) < 0) {
                    throw new EOFException("the file has become shorter");
                }
            }
            sum += digest(block, checksum, content);
        }
        return sum;
    }
}
