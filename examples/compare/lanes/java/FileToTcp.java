import io.zcio.Report;
import io.zcio.Transfer;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** From a file to one TCP receiver, or to many, with a thread for each. */
final class FileToTcp {

    private FileToTcp() {}

    static void serve(Job job, String method) throws Exception {
        Path source = job.path("source");
        InetSocketAddress sink = job.address("sink");
        long times = job.number("times");
        if (method.equals("streams")) {
            streams(job, source, sink, times);
            return;
        }
        List<SocketChannel> sockets = new ArrayList<>();
        ExecutorService threads = Executors.newCachedThreadPool();
        try {
            for (long left = job.number("connections"); left > 0; left--) {
                sockets.add(SocketChannel.open(sink));
            }
            job.timed(() -> sockets.size() == 1
                    ? send(method, source, sockets.get(0), times)
                    : together(threads, method, source, sockets, times));
        } finally {
            threads.shutdown();
            for (SocketChannel socket : sockets) {
                socket.close();
            }
        }
    }

    private static Job.Moved together(
            ExecutorService threads, String method, Path source, List<SocketChannel> sockets, long times)
            throws Exception {
        List<Future<Job.Moved>> started = new ArrayList<>();
        for (SocketChannel socket : sockets) {
            started.add(threads.submit(() -> send(method, source, socket, times)));
        }
        long bytes = 0;
        String mechanism = null;
        for (Future<Job.Moved> sender : started) {
            bytes += sender.get().bytes();
            mechanism = sender.get().mechanism();
        }
        return new Job.Moved(bytes, mechanism, null);
    }

    private static Job.Moved send(String method, Path source, SocketChannel socket, long times) throws IOException {
        long bytes = 0;
        String mechanism = null;
        for (long left = times; left > 0; left--) {
            if (method.equals("zcio")) {
                Report report = Transfer.from(source).to(socket).run();
                bytes += report.bytes();
                mechanism = report.mechanism().mechanismName();
                continue;
            }
            try (FileChannel in = FileToFile.open(method, source)) {
                bytes += method.equals("map_write")
                        ? FileToFile.map(in, socket)
                        : FileToFile.transferTo(in, socket);
            }
        }
        socket.shutdownOutput();
        Job.expectEnd(socket.read(ByteBuffer.allocate(1)));
        return new Job.Moved(bytes, mechanism, null);
    }

    private static void streams(Job job, Path source, InetSocketAddress sink, long times) throws Exception {
        try (Socket socket = new Socket(sink.getAddress(), sink.getPort())) {
            job.timed(() -> {
                long bytes = 0;
                for (long left = times; left > 0; left--) {
                    try (InputStream in = new FileInputStream(source.toFile())) {
                        bytes += FileToFile.copy(in, socket.getOutputStream());
                    }
                }
                socket.shutdownOutput();
                Job.expectEnd(socket.getInputStream().read());
                return new Job.Moved(bytes);
            });
        }
    }
}
