import io.zcio.MappedRegion;
import io.zcio.Relay;
import io.zcio.Transfer;
import io.zcio.ZeroCopyFileChannel;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Transfers between marks: Java's part of {@code tests/cost}. What the peer is told: {@code peer.rs}. */
final class Cost {
    private static final int[] SIZES = {4 << 10, 64 << 10, 256 << 10, 1 << 20, 16 << 20};

    private final InetSocketAddress address;
    private final Path directory;
    private final SocketChannel commands;

    private Cost(int port, Path directory) throws IOException {
        address = new InetSocketAddress("127.0.0.1", port);
        this.directory = directory;
        commands = SocketChannel.open(address);
    }

    /** Opens or moves something. */
    interface Work<T> {
        T run() throws IOException;
    }

    interface Way<A, B> {
        long move(A source, B sink) throws IOException;
    }

    /** Where strace begins to count: a path that does not exist. */
    private static void mark(String row, int size, String who) {
        new File("/zcio-mark/" + row + "/" + size + "/" + who).exists();
    }

    private static void end() {
        new File("/zcio-mark/end").exists();
    }

    private void ask(char what, long number) throws IOException {
        commands.write(ByteBuffer.allocate(9).put((byte) what).putLong(number).flip());
    }

    /** The source sends so much, and it is on its way when this is over. */
    private void send(int size) throws IOException {
        ask('m', size);
        commands.read(ByteBuffer.allocate(1));
    }

    private SocketChannel tcp(char what) throws IOException {
        ask(what, 0);
        return SocketChannel.open(address);
    }

    private SocketChannel unix() throws IOException {
        ask('u', 0);
        return SocketChannel.open(UnixDomainSocketAddress.of(directory.resolve("socket")));
    }

    private FileChannel pipe(char what, String name, StandardOpenOption how) throws IOException {
        ask(what, 0);
        return FileChannel.open(directory.resolve(name), how);
    }

    private FileChannel content() throws IOException {
        return FileChannel.open(directory.resolve("content"));
    }

    private FileChannel copy() throws IOException {
        return FileChannel.open(directory.resolve("copy"), StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING);
    }

    private static void require(long moved, int size, String what) {
        if (moved != size) {
            throw new AssertionError(what + ": " + moved + " of " + size);
        }
    }

    /** One way of one route: new ends, and the same again. What has just been loaded or compiled is not to count: warm first. */
    private <A extends AutoCloseable, B extends AutoCloseable> void row(
            String row, int size, boolean stream, Work<A> sources, Work<B> sinks, Way<A, B> way, String... names)
            throws Exception {
        for (int round = 0; round < 5; round++) {
            try (A source = sources.run();
                    B sink = sinks.run()) {
                for (int time = 0; time < 3; time++) {
                    if (stream) {
                        send(size);
                    }
                    // Once new, then warm, then again.
                    String name = round < 2 || time == 1 ? "warm" : names[Math.min(time / 2, names.length - 1)];
                    if (time == 2 && names.length == 1) {
                        name = "warm";
                    }
                    mark(row, size, name);
                    long moved = way.move(source, sink);
                    end();
                    require(moved, size, row);
                }
            }
        }
    }

    /** From a file: the drop-in, and a Transfer. */
    private <B extends AutoCloseable & WritableByteChannel> void fromFile(String to, int size, Work<B> sinks, Way<FileChannel, B> ours)
            throws Exception {
        Way<FileChannel, B> transferTo = (source, sink) -> transferTo(source, sink, size);
        row("file-" + to, size, false, this::content, sinks, transferTo, "own");
        row("file-" + to, size, false, this::content, sinks, ours, "new", "kept");
        row("to-file-" + to, size, false, this::content, sinks, transferTo, "own");
        row("to-file-" + to, size, false, () -> ZeroCopyFileChannel.open(directory.resolve("content"), StandardOpenOption.READ),
                sinks, (source, sink) -> transferTo(source, sink, size), "new", "kept");
    }

    /** To a channel in non-blocking mode: what is asked for once is sent once, however much there would be room for. */
    private void once(int size) throws Exception {
        for (String who : new String[] {"warm", "own", "own", "own", "warm", "new", "new", "new"}) {
            boolean own = who.equals("own");
            Path path = directory.resolve("content");
            try (SocketChannel sink = tcp('d');
                    FileChannel source = own ? content() : ZeroCopyFileChannel.open(path, StandardOpenOption.READ)) {
                sink.configureBlocking(false);
                mark("once-file-tcp", size, who);
                long moved = source.transferTo(0, size, sink);
                end();
                if (moved <= 0 || moved > size) {
                    throw new AssertionError("once: " + moved);
                }
            }
        }
    }

    private static long transferTo(FileChannel source, WritableByteChannel sink, long size) throws IOException {
        long sent = 0;
        while (sent < size) {
            sent += source.transferTo(sent, size - sent, sink);
        }
        return sent;
    }

    private long openAndSend(SocketChannel sink, long size) throws IOException {
        try (FileChannel file = content()) {
            return transferTo(file, sink, size);
        }
    }

    private static long transferFrom(ReadableByteChannel source, FileChannel sink, long size) throws IOException {
        long received = 0;
        while (received < size) {
            received += sink.transferFrom(source, received, size - received);
        }
        return received;
    }

    /** NIO's transferFrom wants to know the position of a FIFO. */
    private static long byBuffer(FileChannel source, FileChannel sink, long size) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(64 << 10);
        long moved = 0;
        while (moved < size) {
            moved += source.read(buffer.clear());
            sink.write(buffer.flip());
        }
        return moved;
    }

    private static long write(ByteBuffer buffer, SocketChannel sink) throws IOException {
        ByteBuffer rest = buffer.duplicate();
        while (rest.hasRemaining()) {
            sink.write(rest);
        }
        return rest.position();
    }

    private void relay(int size) throws Exception {
        for (String who : new String[] {"warm", "warm", "own", "own", "own", "warm", "warm", "new", "new", "new"}) {
            boolean own = who.equals("own");
            try (SocketChannel source = tcp('s');
                    SocketChannel sink = tcp('d')) {
                send(size);
                ask('e', 0);
                mark("tcp-tcp", size, who);
                long moved = own ? joined(source, sink) : Relay.between(source, sink).run().forward().bytes();
                end();
                require(moved, size, "relay");
            }
        }
    }

    /** What one writes without zcio: a thread for each direction, and a buffer. */
    private static long joined(SocketChannel a, SocketChannel b) throws Exception {
        long[] moved = new long[2];
        Thread back = new Thread(() -> moved[1] = pump(b, a));
        back.start();
        moved[0] = pump(a, b);
        back.join();
        return moved[0];
    }

    private static long pump(SocketChannel from, SocketChannel to) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(64 << 10);
        try {
            long moved = 0;
            for (int count = from.read(buffer); count >= 0; count = from.read(buffer.clear())) {
                moved += write(buffer.flip(), to);
            }
            to.shutdownOutput();
            return moved;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void all(int size) throws Exception {
        Files.write(directory.resolve("content"), new byte[size]);
        fromFile("tcp", size, () -> tcp('d'), (source, sink) -> Transfer.from(source).to(sink).offset(0).count(size).run().bytes());
        once(size);
        fromFile("unix", size, this::unix, (source, sink) -> Transfer.from(source).to(sink).offset(0).count(size).run().bytes());
        fromFile("pipe", size, () -> pipe('q', "out", StandardOpenOption.WRITE),
                (source, sink) -> Transfer.from(source).to(sink).offset(0).count(size).run().bytes());
        fromFile("file", size, this::copy, (source, sink) -> Transfer.from(source).to(sink).offset(0).count(size).run().bytes());

        row("tcp-file", size, true, () -> tcp('s'), this::copy, (source, sink) -> transferFrom(source, sink, size), "own");
        row("tcp-file", size, true, () -> tcp('s'), this::copy,
                (source, sink) -> Transfer.from(source).to(sink).count(size).run().bytes(), "new", "kept");
        row("pipe-file", size, true, () -> pipe('p', "in", StandardOpenOption.READ), this::copy,
                (source, sink) -> byBuffer(source, sink, size), "own");
        row("pipe-file", size, true, () -> pipe('p', "in", StandardOpenOption.READ), this::copy,
                (source, sink) -> Transfer.from(source).to(sink).count(size).run().bytes(), "new", "kept");
        relay(size);

        Path path = directory.resolve("content");
        AutoCloseable nothing = () -> {};
        row("path-tcp", size, false, () -> nothing, () -> tcp('d'), (source, sink) -> openAndSend(sink, size), "own");
        row("path-tcp", size, false, () -> nothing, () -> tcp('d'), (source, sink) -> Transfer.from(path).to(sink).run().bytes(),
                "new", "kept");

        ByteBuffer direct = ByteBuffer.allocateDirect(size);
        row("memory-tcp", size, false, () -> nothing, () -> tcp('d'), (source, sink) -> write(direct, sink), "own");
        row("memory-tcp", size, false, () -> nothing, () -> tcp('d'),
                (source, sink) -> Transfer.from(direct.duplicate()).to(sink).run().bytes(), "new", "kept");
        try (FileChannel file = content();
                MappedRegion region = MappedRegion.map(file, FileChannel.MapMode.READ_ONLY, 0, size)) {
            ByteBuffer mapped = file.map(FileChannel.MapMode.READ_ONLY, 0, size);
            row("region-tcp", size, false, () -> nothing, () -> tcp('d'), (source, sink) -> write(mapped, sink), "own");
            row("region-tcp", size, false, () -> nothing, () -> tcp('d'),
                    (source, sink) -> Transfer.from(region, 0, size).to(sink).run().bytes(), "new", "kept");
        }
    }

    public static void main(String[] arguments) throws Exception {
        Cost cost = new Cost(Integer.parseInt(arguments[0]), Path.of(arguments[1]));
        for (int size : SIZES) {
            cost.all(size);
        }
    }
}
