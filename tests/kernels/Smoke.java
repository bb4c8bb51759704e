import io.zcio.Report;
import io.zcio.Transfer;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Java on this kernel: a file to a socket and to another file, compared by content. */
public final class Smoke {

    private Smoke() {}

    public static void main(String[] arguments) throws Exception {
        byte[] data = new byte[1_004_251];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i % 251);
        }
        Path source = Path.of(arguments[0], "java-source");
        Path target = Path.of(arguments[0], "java-target");
        Files.write(source, data);

        ByteBuffer received = ByteBuffer.allocate(data.length);
        try (ServerSocketChannel listener = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0))) {
            SocketChannel near = SocketChannel.open(listener.getLocalAddress());
            Thread reader = new Thread(() -> drain(listener, received));
            reader.start();
            Report report = Transfer.from(source).to(near).run();
            near.close();
            reader.join();
            check(report, received.position() == data.length && Arrays.equals(received.array(), data));
        }
        check(Transfer.from(source).to(target).run(), Arrays.equals(Files.readAllBytes(target), data));
    }

    private static void drain(ServerSocketChannel listener, ByteBuffer into) {
        try (SocketChannel far = listener.accept()) {
            while (far.read(into) > 0) {
                // On, until it ends or there is no more room.
            }
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void check(Report report, boolean same) {
        System.out.println(report);
        if (!same) {
            throw new AssertionError("other bytes");
        }
    }
}
