import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Moves 16 MiB in one of NIO's ways, to be looked at with strace: socket, file, from-file, from-socket or map. */
public final class NioWays {
    private static final long SIZE = 16 << 20;

    private NioWays() {}

    /**
     * Does it once.
     *
     * @param arguments the way
     * @throws Exception if it fails
     */
    public static void main(String[] arguments) throws Exception {
        Path from = Files.createTempFile(Path.of("."), "from", "");
        Path to = Files.createTempFile(Path.of("."), "to", "");
        try (FileChannel file = FileChannel.open(from, StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.allocate(1), SIZE - 1);
        }
        try (FileChannel source = FileChannel.open(from);
                FileChannel sink = FileChannel.open(to, StandardOpenOption.WRITE);
                ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            switch (arguments[0]) {
                case "socket" -> overTcp(server, sender -> all(position -> source.transferTo(position, SIZE - position, sender)));
                case "file" -> all(position -> source.transferTo(position, SIZE - position, sink));
                case "from-file" -> all(position -> sink.transferFrom(source, position, SIZE - position));
                case "map" -> overTcp(server, sender -> {
                    ByteBuffer mapped = source.map(MapMode.READ_ONLY, 0, SIZE);
                    while (mapped.hasRemaining()) {
                        sender.write(mapped);
                    }
                });
                case "from-socket" -> {
                    try (SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                            SocketChannel receiver = server.accept()) {
                        Thread sending = new Thread(() -> send(source, sender));
                        sending.start();
                        all(position -> sink.transferFrom(receiver, position, SIZE - position));
                        sending.join();
                    }
                }
                default -> throw new IllegalArgumentException(arguments[0]);
            }
            System.out.println(arguments[0] + ": done");
        } finally {
            Files.delete(from);
            Files.delete(to);
        }
    }

    private interface Moves {
        long from(long position) throws IOException;
    }

    private interface Sends {
        void to(SocketChannel sender) throws IOException;
    }

    private static void all(Moves moves) throws IOException {
        for (long position = 0; position < SIZE; ) {
            position += moves.from(position);
        }
    }

    private static void send(FileChannel source, SocketChannel sender) {
        try {
            all(position -> source.transferTo(position, SIZE - position, sender));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void overTcp(ServerSocketChannel server, Sends sends) throws Exception {
        try (SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                SocketChannel receiver = server.accept()) {
            Thread drain = new Thread(() -> {
                ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
                try {
                    while (receiver.read(buffer.clear()) >= 0) {}
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            drain.start();
            sends.to(sender);
            sender.shutdownOutput();
            drain.join();
        }
    }
}
