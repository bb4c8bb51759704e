import io.zcio.Batch;
import io.zcio.BatchReport;
import io.zcio.Mechanism;
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
        if (method.equals("zcio")) {
            batch(job, paths, sink);
            return;
        }
        try (SocketChannel socket = SocketChannel.open(sink)) {
            job.timed(() -> {
                long bytes = 0;
                String mechanism = null;
                for (Path path : paths) {
                    if (method.equals("zcio_each")) {
                        Report report = Transfer.from(path).to(socket).run();
                        bytes += report.bytes();
                        mechanism = report.mechanism().mechanismName();
                    } else {
                        try (FileChannel in = FileToFile.open(method, path)) {
                            bytes += FileToFile.transferTo(in, socket);
                        }
                    }
                }
                finish(socket);
                return new Job.Moved(bytes, mechanism, null);
            });
        }
    }

    private static void batch(Job job, List<Path> paths, InetSocketAddress sink) throws Exception {
        long each = job.number("bytes");
        // Made once and kept, as its documentation says.
        try (SocketChannel socket = SocketChannel.open(sink);
                Batch batch = new Batch()) {
            job.timed(() -> {
                List<Batch.Item> items = new ArrayList<>(paths.size());
                for (Path path : paths) {
                    items.add(Batch.from(path).to(socket).count(each));
                }
                BatchReport report = batch.run(items);
                String mechanism = null;
                for (BatchReport.Result result : report.items()) {
                    if (result.failure().isPresent()) {
                        throw new IOException(result.failure().get());
                    }
                    mechanism = result.mechanism().map(Mechanism::mechanismName).orElse(mechanism);
                }
                finish(socket);
                return new Job.Moved(report.bytes(), mechanism, null);
            });
        }
    }

    static void ranges(Job job, String method) throws Exception {
        long each = job.number("bytes");
        try (SocketChannel socket = SocketChannel.open(job.address("sink"));
                FileChannel in = FileToFile.open(method, job.path("source"))) {
            long size = in.size();
            job.timed(() -> {
                long bytes = 0;
                String mechanism = null;
                for (long offset = 0; offset < size; offset += each) {
                    if (method.equals("zcio_each")) {
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
