import io.zcio.RelayReport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** From one TCP connection to another. */
final class Relay {

    private static final int BUFFER = 64 << 10;

    private Relay() {}

    static void serve(Job job, String method) throws Exception {
        InetSocketAddress source = job.address("source");
        InetSocketAddress sink = job.address("sink");
        switch (method) {
            case "streams" -> {
                try (Socket in = new Socket(source.getAddress(), source.getPort());
                        Socket out = new Socket(sink.getAddress(), sink.getPort())) {
                    job.timed(() -> {
                        long bytes = FileToFile.copy(in.getInputStream(), out.getOutputStream());
                        out.shutdownOutput();
                        Job.expectEnd(out.getInputStream().read());
                        return new Job.Moved(bytes);
                    });
                }
            }
            case "nio" -> {
                try (SocketChannel in = SocketChannel.open(source);
                        SocketChannel out = SocketChannel.open(sink)) {
                    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER);
                    job.timed(() -> {
                        long bytes = 0;
                        while (in.read(buffer.clear()) >= 0) {
                            buffer.flip();
                            while (buffer.hasRemaining()) {
                                bytes += out.write(buffer);
                            }
                        }
                        out.shutdownOutput();
                        Job.expectEnd(out.read(ByteBuffer.allocate(1)));
                        return new Job.Moved(bytes);
                    });
                }
            }
            case "zcio" -> {
                try (SocketChannel in = SocketChannel.open(source);
                        SocketChannel out = SocketChannel.open(sink)) {
                    job.timed(() -> {
                        // In both directions: it is over when the receiver, too, has closed.
                        RelayReport.Way way = io.zcio.Relay.between(in, out).run().forward();
                        return new Job.Moved(way.bytes(), way.mechanism().mechanismName(), null);
                    });
                }
            }
            default -> throw new IOException("no such method: " + method);
        }
    }
}
