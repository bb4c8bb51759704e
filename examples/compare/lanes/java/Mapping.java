import io.zcio.MappedRegion;
import io.zcio.Peer;
import io.zcio.Seal;
import io.zcio.SharedRegion;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;

/** Bytes looked at where they are: a file's in a mapping, and memory that is given to another process. */
final class Mapping {

    private static final int PAGE = 4096;

    /** What {@link #close} maps of the file: src/routes/map_close.rs. */
    private static final int LENGTH = 64 << 10;

    private Mapping() {}

    /** A checksum of a file, or the sum of its longs. */
    static void scan(Job job, String method) throws Exception {
        Path source = job.path("source");
        long times = job.number("times");
        boolean sum = job.route.equals("mapped_sum");
        MethodHandle cleaner = cleaner();
        job.timed(() -> {
            long bytes = 0;
            long digest = 0;
            CRC32 checksum = new CRC32();
            for (long left = times; left > 0; left--) {
                checksum.reset();
                if (method.equals("streams")) {
                    bytes += read(source, checksum);
                } else if (method.equals("zcio")) {
                    try (MappedRegion region = MappedRegion.open(source, FileChannel.MapMode.READ_ONLY)) {
                        bytes += region.size();
                        digest = sum ? sum(region) : checksum(region, checksum);
                    }
                } else {
                    try (FileChannel in = FileChannel.open(source)) {
                        bytes += in.size();
                        digest = sum ? sum(in, cleaner) : checksum(in, checksum, cleaner);
                    }
                }
            }
            return new Job.Moved(bytes, null, sum ? digest : checksum.getValue());
        });
    }

    private static long read(Path source, CRC32 checksum) throws IOException {
        byte[] buffer = new byte[FileToFile.STREAM_BUFFER];
        long bytes = 0;
        try (InputStream in = new FileInputStream(source.toFile())) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                checksum.update(buffer, 0, count);
                bytes += count;
            }
        }
        return bytes;
    }

    private static long checksum(FileChannel in, CRC32 checksum, MethodHandle cleaner) throws IOException {
        for (long place = 0; place < in.size(); place += FileToFile.MAPPING) {
            MappedByteBuffer mapped = map(in, place);
            checksum.update(mapped);
            clean(cleaner, mapped);
        }
        return checksum.getValue();
    }

    private static long checksum(MappedRegion region, CRC32 checksum) {
        for (long place = 0; place < region.size(); place += FileToFile.MAPPING) {
            checksum.update(region.asByteBuffer(place, (int) Math.min(region.size() - place, FileToFile.MAPPING)));
        }
        return checksum.getValue();
    }

    private static MappedByteBuffer map(FileChannel in, long place) throws IOException {
        return in.map(FileChannel.MapMode.READ_ONLY, place, Math.min(in.size() - place, FileToFile.MAPPING));
    }

    private static long sum(FileChannel in, MethodHandle cleaner) throws IOException {
        long sum = 0;
        for (long place = 0; place < in.size(); place += FileToFile.MAPPING) {
            MappedByteBuffer mapped = map(in, place);
            sum += sum(mapped.order(ByteOrder.LITTLE_ENDIAN));
            clean(cleaner, mapped);
        }
        return sum;
    }

    private static long sum(ByteBuffer mapped) {
        long sum = 0;
        for (int place = 0; place <= mapped.limit() - Long.BYTES; place += Long.BYTES) {
            sum += mapped.getLong(place);
        }
        return sum;
    }

    private static long sum(MappedRegion region) {
        region.order(ByteOrder.LITTLE_ENDIAN);
        long end = region.size() - Long.BYTES;
        long sum = 0;
        for (long place = 0; place <= end; place += Long.BYTES) {
            sum += region.getLong(place);
        }
        return sum;
    }

    /** Maps, touches and closes, again and again. */
    static void close(Job job, String method) throws Exception {
        long times = job.number("times");
        MethodHandle cleaner = cleaner();
        try (FileChannel in = FileChannel.open(job.path("source"))) {
            job.timed(() -> {
                long sum = 0;
                for (long left = times; left > 0; left--) {
                    if (method.equals("zcio")) {
                        try (MappedRegion region = MappedRegion.map(in, FileChannel.MapMode.READ_ONLY, 0, LENGTH)) {
                            for (int place = 0; place < LENGTH; place += PAGE) {
                                sum += region.get(place) & 0xff;
                            }
                        }
                        continue;
                    }
                    MappedByteBuffer mapped = in.map(FileChannel.MapMode.READ_ONLY, 0, LENGTH);
                    for (int place = 0; place < LENGTH; place += PAGE) {
                        sum += mapped.get(place) & 0xff;
                    }
                    if (method.equals("nio")) {
                        clean(cleaner, mapped);
                    }
                }
                return new Job.Moved(LENGTH * times, null, sum);
            });
        }
    }

    /**
     * {@code sun.misc.Unsafe.invokeCleaner}, which is how libraries unmap at once on every JDK: NIO itself leaves a mapping to
     * the garbage collector.
     */
    private static MethodHandle cleaner() throws ReflectiveOperationException {
        Class<?> unsafe = Class.forName("sun.misc.Unsafe");
        Field instance = unsafe.getDeclaredField("theUnsafe");
        instance.setAccessible(true);
        return MethodHandles.publicLookup()
                .findVirtual(unsafe, "invokeCleaner", MethodType.methodType(void.class, ByteBuffer.class))
                .bindTo(instance.get(null));
    }

    private static void clean(MethodHandle cleaner, ByteBuffer mapped) throws IOException {
        try {
            cleaner.invokeExact(mapped);
        } catch (Throwable error) {
            throw new IOException(error);
        }
    }

    /** Bytes for another process: through a UNIX socket, or in memory that it gets. */
    static void handOver(Job job, String method) throws Exception {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(job.path("source")));
        ByteBuffer direct = ByteBuffer.allocateDirect(bytes.remaining()).put(bytes);
        long times = job.number("times");
        try (SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            socket.connect(UnixDomainSocketAddress.of(job.path("sink")));
            ByteBuffer answer = ByteBuffer.allocate(1);
            job.timed(() -> {
                for (long left = times; left > 0; left--) {
                    direct.rewind();
                    if (method.equals("zcio")) {
                        share(direct, socket);
                    } else {
                        while (direct.hasRemaining()) {
                            socket.write(direct);
                        }
                    }
                    if (socket.read(answer.clear()) != 1) {
                        throw new EOFException("the consumer has gone");
                    }
                }
                return new Job.Moved(direct.capacity() * times);
            });
        }
    }

    private static void share(ByteBuffer bytes, SocketChannel socket) throws IOException {
        try (SharedRegion shared = SharedRegion.create(bytes.remaining())) {
            shared.region().put(0, bytes);
            shared.seal(Seal.SHRINK);
            shared.send(socket, Peer.sameUser());
        }
    }
}
