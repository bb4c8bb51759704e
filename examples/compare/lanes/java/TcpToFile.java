import io.zcio.Report;
import io.zcio.Transfer;
import java.io.EOFException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** From a TCP sender to a new file, into the page cache or onto the disk. */
final class TcpToFile {

    private TcpToFile() {}

    static void serve(Job job, String method) throws Exception {
        Path sink = job.path("sink");
        long times = job.number("times");
        // The end of the stream is the end of the only file.
        long bytes = times == 1 ? Long.MAX_VALUE : job.number("bytes");
        boolean durable = job.number("durable") == 1 && job.route.endsWith("durable");
        InetSocketAddress source = job.address("source");
        if (method.equals("streams")) {
            try (Socket socket = new Socket(source.getAddress(), source.getPort())) {
                job.timed(() -> {
                    long moved = 0;
                    for (long left = times; left > 0; left--) {
                        try (OutputStream out = new FileOutputStream(sink.toFile())) {
                            moved += copy(socket.getInputStream(), out, bytes);
                        }
                    }
                    return new Job.Moved(moved);
                });
            }
            return;
        }
        try (SocketChannel socket = SocketChannel.open(source)) {
            job.timed(() -> {
                long moved = 0;
                String mechanism = null;
                for (long left = times; left > 0; left--) {
                    if (method.equals("zcio")) {
                        Report report = receive(socket, sink, bytes, durable);
                        moved += report.bytes();
                        mechanism = report.mechanism().mechanismName();
                        continue;
                    }
                    try (FileChannel out = FileToFile.create(method, sink)) {
                        moved += transferFrom(socket, out, bytes);
                        if (durable) {
                            out.force(true);
                        }
                    }
                }
                return new Job.Moved(moved, mechanism, null);
            });
        }
    }

    private static Report receive(SocketChannel socket, Path sink, long bytes, boolean durable) throws IOException {
        Transfer.Source from = Transfer.from(socket);
        if (!durable && bytes == Long.MAX_VALUE) {
            return from.to(sink).run();
        }
        try (FileChannel out = FileToFile.create("zcio", sink)) {
            Transfer transfer = from.to(out);
            Report report = (bytes == Long.MAX_VALUE ? transfer : transfer.count(bytes)).run();
            if (durable) {
                out.force(false);
            }
            return report;
        }
    }

    private static long transferFrom(SocketChannel socket, FileChannel out, long limit) throws IOException {
        long bytes = 0;
        for (long count = 1; count > 0 && bytes < limit; bytes += count) {
            count = out.transferFrom(socket, bytes, limit - bytes);
        }
        return bytes;
    }

    private static long copy(InputStream in, OutputStream out, long limit) throws IOException {
        if (limit == Long.MAX_VALUE) {
            return FileToFile.copy(in, out);
        }
        byte[] buffer = new byte[FileToFile.STREAM_BUFFER];
        for (long left = limit; left > 0; ) {
            int count = in.read(buffer, 0, (int) Math.min(left, buffer.length));
            if (count < 0) {
                throw new EOFException("the sender ended too early");
            }
            out.write(buffer, 0, count);
            left -= count;
        }
        return limit;
    }
}
