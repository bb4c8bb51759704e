import io.zcio.MappedRegion;
import io.zcio.Peer;
import io.zcio.Seal;
import io.zcio.SharedRegion;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Shares memory with another process, in whatever language: {@code java -cp zcio.jar ShareMemory.java SOCKET [BYTES]}
 *
 * <p>Listens on a UNIX-domain socket, hands 1 GiB (or as many bytes as said, a multiple of 4096) to the first process that
 * connects, waits for as much memory to come back, and checks every byte. Nothing but memory goes through the socket, and none
 * of it is copied.
 *
 * <p>In what is sent, page {@code i} of 4096 bytes is filled with {@code i} as 8 bytes, little-endian; in what comes back, with
 * {@code ~i}. {@code ShareMemory.java SOCKET --answer} is the other side. A JDK from 24 on warns of the native library unless it
 * is given {@code --enable-native-access=ALL-UNNAMED}.
 */
public final class ShareMemory {
    private static final int PAGE = 4096;

    private ShareMemory() {}

    /**
     * Shares it.
     *
     * @param arguments path of the socket, and either a number of bytes or {@code --answer}
     * @throws IOException if the other side goes away, is another user's, or sends something else
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 1 || arguments.length > 2) {
            System.err.println("usage: ShareMemory SOCKET [BYTES | --answer]");
            System.exit(2);
        }
        Path path = Path.of(arguments[0]);
        if (arguments.length == 2 && arguments[1].equals("--answer")) {
            answer(path);
        } else {
            offer(path, arguments.length == 2 ? Long.parseLong(arguments[1]) : 1L << 30);
        }
    }

    private static void offer(Path path, long size) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                SharedRegion memory = SharedRegion.create(size)) {
            server.bind(UnixDomainSocketAddress.of(path));
            fill(memory.region(), 0);
            memory.seal(Seal.SHRINK);
            try (SocketChannel socket = server.accept()) {
                long start = System.nanoTime();
                memory.send(socket, Peer.sameUser());
                System.out.printf("sent %d bytes in %d µs%n", size, (System.nanoTime() - start) / 1000);
                try (SharedRegion received = SharedRegion.receive(socket, Peer.sameUser())) {
                    check(received.region(), size, -1);
                    System.out.printf("received %d bytes, every one as expected%n", size);
                }
            }
        } finally {
            Files.deleteIfExists(path);
        }
    }

    private static void answer(Path path) throws IOException {
        // Before the other side knows of this one: this loads what a hand-over needs.
        Peer peer = Peer.sameUser();
        try (SocketChannel socket = SocketChannel.open(UnixDomainSocketAddress.of(path));
                SharedRegion received = SharedRegion.receive(socket, peer);
                SharedRegion memory = SharedRegion.create(received.region().size())) {
            check(received.region(), received.region().size(), 0);
            fill(memory.region(), -1);
            memory.seal(Seal.SHRINK);
            memory.send(socket, peer);
        }
    }

    /** Fills every page with its number, or with all bits of it turned round if {@code mask} is -1. */
    private static void fill(MappedRegion region, long mask) {
        region.order(ByteOrder.LITTLE_ENDIAN);
        for (long at = 0; at < region.size(); at += Long.BYTES) {
            region.putLong(at, at / PAGE ^ mask);
        }
    }

    private static void check(MappedRegion region, long size, long mask) throws IOException {
        if (region.size() != size) {
            throw new IOException(region.size() + " bytes came, " + size + " were expected");
        }
        region.order(ByteOrder.LITTLE_ENDIAN);
        for (long at = 0; at < size; at += Long.BYTES) {
            if (region.getLong(at) != (at / PAGE ^ mask)) {
                throw new IOException("another value at byte " + at + ": " + region.getLong(at));
            }
        }
    }
}
