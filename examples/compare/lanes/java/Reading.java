import com.sun.nio.file.ExtendedOpenOption;
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

    private Reading() {}

    static void random(Job job, boolean direct) throws Exception {
        Set<OpenOption> options =
                direct ? Set.of(StandardOpenOption.READ, ExtendedOpenOption.DIRECT) : Set.of(StandardOpenOption.READ);
        int depth = (int) job.number("depth");
        boolean content = job.text("check").equals("content");
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

    private static long sum(FileChannel in, long[] places, int from, int end, boolean content) throws IOException {
        // Aligned, as O_DIRECT wants it.
        ByteBuffer block = ByteBuffer.allocateDirect(2 * BLOCK).alignedSlice(BLOCK).limit(BLOCK);
        block = block.slice(0, BLOCK).order(ByteOrder.LITTLE_ENDIAN);
        CRC32 checksum = new CRC32();
        long sum = 0;
        for (int index = from; index < end; index++) {
            block.clear();
            while (block.hasRemaining()) {
                if (in.read(block, places[index] + block.position()) < 0) {
                    throw new EOFException("the file has become shorter");
                }
            }
            if (content) {
                checksum.reset();
                checksum.update(block.flip());
                sum += checksum.getValue();
            } else {
                sum += block.getLong(0);
            }
        }
        return sum;
    }
}
