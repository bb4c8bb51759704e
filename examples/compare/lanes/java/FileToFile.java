import io.zcio.Copy;
import io.zcio.CopyReport;
import io.zcio.Mechanism;
import io.zcio.Report;
import io.zcio.Transfer;
import io.zcio.ZeroCopyFileChannel;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** From a file to a new file, or into a pipe that has a name; and the loops that other routes share. */
final class FileToFile {

    /** The buffer of {@code InputStream.transferTo} on JDK 17, and of generations of hand-written loops. */
    static final int STREAM_BUFFER = 8 << 10;

    /** {@code FileChannel.map} takes less than 2 GiB at once; larger files are mapped piece by piece. */
    static final long MAPPING = 1L << 30;

    private FileToFile() {}

    static void serve(Job job, String method) throws Exception {
        if (job.route.equals("file_to_pipe")) {
            pipe(job, method);
            return;
        }
        Path source = job.path("source");
        Path sink = job.path("sink");
        long times = job.number("times");
        job.timed(() -> {
            Job.Moved all = new Job.Moved(0);
            for (long left = times; left > 0; left--) {
                Job.Moved one = copy(method, source, sink);
                all = new Job.Moved(all.bytes() + one.bytes(), one.mechanism(), null);
            }
            return all;
        });
    }

    private static Job.Moved copy(String method, Path source, Path sink) throws IOException {
        switch (method) {
            case "zcio":
                Report report = Transfer.from(source).to(sink).run();
                return new Job.Moved(report.bytes(), report.mechanism().mechanismName(), null);
            case "zcio_copy":
                CopyReport copied = Copy.of(source, sink).run();
                String mechanism = copied.mechanism().map(Mechanism::mechanismName).orElse(null);
                return new Job.Moved(copied.bytes() + copied.holes(), mechanism, null);
            case "streams":
                try (InputStream in = new FileInputStream(source.toFile());
                        OutputStream out = new FileOutputStream(sink.toFile())) {
                    return new Job.Moved(copy(in, out));
                }
            default:
                try (FileChannel in = FileChannel.open(source, StandardOpenOption.READ);
                        FileChannel out = create(method, sink)) {
                    return new Job.Moved(channels(method, in, out));
                }
        }
    }

    private static long channels(String method, FileChannel in, FileChannel out) throws IOException {
        return switch (method) {
            case "map_write" -> map(in, out);
            case "transfer_to" -> transferTo(in, out);
            case "transfer_from" -> transferFrom(in, out);
            default -> throw new IOException("no such method: " + method);
        };
    }

    /** A pipe is opened before the clock starts, as a connection is. */
    private static void pipe(Job job, String method) throws Exception {
        Path source = job.path("source");
        long times = job.number("times");
        try (FileOutputStream pipe = new FileOutputStream(job.path("sink").toFile())) {
            job.timed(() -> {
                long bytes = 0;
                String mechanism = null;
                for (long left = times; left > 0; left--) {
                    if (method.equals("zcio")) {
                        Report report = Transfer.from(source).to(pipe.getChannel()).run();
                        bytes += report.bytes();
                        mechanism = report.mechanism().mechanismName();
                    } else if (method.equals("streams")) {
                        try (InputStream in = new FileInputStream(source.toFile())) {
                            bytes += copy(in, pipe);
                        }
                    } else {
                        try (FileChannel in = open(method, source)) {
                            bytes += transferTo(in, pipe.getChannel());
                        }
                    }
                }
                return new Job.Moved(bytes, mechanism, null);
            });
        }
    }

    static long copy(InputStream in, OutputStream out) throws IOException {
        byte[] buffer = new byte[STREAM_BUFFER];
        long bytes = 0;
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
            out.write(buffer, 0, count);
            bytes += count;
        }
        return bytes;
    }

    static long transferTo(FileChannel in, WritableByteChannel out) throws IOException {
        long bytes = 0;
        for (long size = in.size(); bytes < size; ) {
            bytes += in.transferTo(bytes, size - bytes, out);
        }
        return bytes;
    }

    private static long transferFrom(FileChannel in, FileChannel out) throws IOException {
        long bytes = 0;
        for (long size = in.size(); bytes < size; ) {
            bytes += out.transferFrom(in, bytes, size - bytes);
        }
        return bytes;
    }

    static long map(FileChannel in, WritableByteChannel out) throws IOException {
        long bytes = 0;
        for (long size = in.size(); bytes < size; ) {
            ByteBuffer mapped = in.map(FileChannel.MapMode.READ_ONLY, bytes, Math.min(size - bytes, MAPPING));
            while (mapped.hasRemaining()) {
                bytes += out.write(mapped);
            }
        }
        return bytes;
    }

    /** A channel to read from: the JDK's own, or the one that a program would put in its place. */
    static FileChannel open(String method, Path path) throws IOException {
        return method.equals("zcio_channel") ? ZeroCopyFileChannel.open(path) : FileChannel.open(path);
    }

    /** A channel to a new file. */
    static FileChannel create(String method, Path path) throws IOException {
        OpenOption[] options = {
            StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE
        };
        return method.equals("zcio_channel")
                ? ZeroCopyFileChannel.open(path, options)
                : FileChannel.open(path, options);
    }
}
