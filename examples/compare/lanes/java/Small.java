import io.zcio.Report;
import io.zcio.Transfer;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** Many small transfers over one connection: small files, and small ranges of one file. */
final class Small {

    private Small() {}

    static void files(Job job, String method) throws Exception {
        List<Path> paths = new ArrayList<>();
        for (long index = 0; index < job.number("files"); index++) {
            paths.add(job.path("source").resolve(String.format("%05d", index)));
        }
        InetSocketAddress sink = job.address("sink");
        if (method.equals("streams")) {
            try (Socket socket = new Socket(sink.getAddress(), sink.getPort())) {
                job.timed(() -> {
                    OutputStream out = socket.getOutputStream();
                    long bytes = 0;
                    for (Path path : paths) {
                        try (InputStream in = new FileInputStream(path.toFile())) {
                            bytes += FileToFile.copy(in, out);
                        }
                    }
                    socket.shutdownOutput();
                    Job.expectEnd(socket.getInputStream().read());
                    return new Job.Moved(bytes);
                });
            }
            return;
        }
        try (SocketChannel socket = SocketChannel.open(sink)) {
            job.timed(() -> {
                long bytes = 0;
                String mechanism = null;
                for (Path path : paths) {
                    if (method.equals("zcio")) {
                        Report report = Transfer.from(path).to(socket).run();
                        bytes += report.bytes();
                        mechanism = report.mechanism().mechanismName();
                    } else {
                        try (FileChannel in = FileChannel.open(path, StandardOpenOption.READ)) {
                            bytes += FileToFile.transferTo(in, socket);
                        }
                    }
                }
                finish(socket);
                return new Job.Moved(bytes, mechanism, null);
            });
        }
    }

    static void ranges(Job job, String method) throws Exception {
        long each = job.number("bytes");
        try (SocketChannel socket = SocketChannel.open(job.address("sink"));
                FileChannel in = FileChannel.open(job.path("source"), StandardOpenOption.READ)) {
            long size = in.size();
            job.timed(() -> {
                long bytes = 0;
                String mechanism = null;
                for (long offset = 0; offset < size; offset += each) {
                    if (method.equals("zcio")) {
                        Report report = Transfer.from(in).to(socket).offset(offset).count(each).run();
                        bytes += report.bytes();
                        mechanism = report.mechanism().mechanismName();
                    } else {
                        for (long done = 0; done < each; ) {
                            done += in.transferTo(offset + done, each - done, socket);
                        }
                        bytes += each;
                    }
                }
                finish(socket);
                return new Job.Moved(bytes, mechanism, null);
            });
        }
    }

    private static void finish(SocketChannel socket) throws IOException {
        socket.shutdownOutput();
        Job.expectEnd(socket.read(ByteBuffer.allocate(1)));
    }
}
