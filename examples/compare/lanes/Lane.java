import io.zcio.Report;
import io.zcio.Transfer;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/**
 * The Java lane: one method behind the protocol that src/protocol.rs describes.
 *
 * <p>Usage: {@code Lane METHOD}, one of streams, transfer_to, transfer_from, map_write, zcio. It moves bytes exactly as a
 * Java program would, counts them, and times itself from {@code go} on; it must never do anything else in that time.
 */
public final class Lane {

    /** The buffer of {@code InputStream.transferTo} on JDK 17, and of generations of hand-written loops. */
    private static final int STREAM_BUFFER = 8 << 10;

    /** {@code FileChannel.map} takes less than 2 GiB at once; larger files are mapped piece by piece. */
    private static final long MAPPING = 1L << 30;

    private static final BufferedReader REQUESTS =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private static final PrintStream ANSWERS = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final String method;

    private Lane(String method) {
        this.method = method;
    }

    /** What was moved: bytes, and zcio's name of the way, or null. */
    private record Moved(long bytes, String mechanism) {}

    /** The timed part of a job. */
    private interface Work {
        Moved run() throws IOException;
    }

    /**
     * Greets and serves. Whatever goes wrong ends the lane with a message, as the protocol wants it.
     *
     * @param arguments the method
     */
    public static void main(String[] arguments) {
        try {
            ANSWERS.println("hello\truntime=" + System.getProperty("java.vm.name") + " " + Runtime.version());
            new Lane(arguments[0]).serve();
        } catch (IOException | RuntimeException | LinkageError error) {
            ANSWERS.println("failed\tmessage=" + error.toString().replaceAll("\\s+", " "));
        }
    }

    private void serve() throws IOException {
        for (String line = REQUESTS.readLine(); line != null; line = REQUESTS.readLine()) {
            Map<String, String> job = new HashMap<>();
            for (String field : line.split("\t")) {
                String[] parts = field.split("=", 2);
                job.put(parts[0], parts.length == 2 ? parts[1] : "");
            }
            String route = job.get("route");
            switch (route) {
                case "file_to_tcp" -> fileToTcp(Path.of(job.get("source")), address(job.get("sink")));
                case "tcp_to_file" -> tcpToFile(address(job.get("source")), Path.of(job.get("sink")));
                case "file_to_file" -> fileToFile(Path.of(job.get("source")), Path.of(job.get("sink")));
                default -> throw new IOException("no such route: " + route);
            }
        }
    }

    private void fileToTcp(Path source, InetSocketAddress sink) throws IOException {
        if (method.equals("streams")) {
            try (Socket socket = new Socket(sink.getAddress(), sink.getPort())) {
                timed(() -> {
                    long bytes;
                    try (InputStream in = new FileInputStream(source.toFile())) {
                        bytes = copy(in, socket.getOutputStream());
                    }
                    socket.shutdownOutput();
                    expectEnd(socket.getInputStream().read());
                    return new Moved(bytes, null);
                });
            }
            return;
        }
        try (SocketChannel socket = SocketChannel.open(sink)) {
            timed(() -> {
                Moved moved;
                if (method.equals("zcio")) {
                    moved = moved(Transfer.from(source).to(socket).run());
                } else {
                    try (FileChannel in = FileChannel.open(source, StandardOpenOption.READ)) {
                        moved = new Moved(method.equals("map_write") ? map(in, socket) : transferTo(in, socket), null);
                    }
                }
                socket.shutdownOutput();
                expectEnd(socket.read(ByteBuffer.allocate(1)));
                return moved;
            });
        }
    }

    private void tcpToFile(InetSocketAddress source, Path sink) throws IOException {
        if (method.equals("streams")) {
            try (Socket socket = new Socket(source.getAddress(), source.getPort())) {
                timed(() -> {
                    try (OutputStream out = new FileOutputStream(sink.toFile())) {
                        return new Moved(copy(socket.getInputStream(), out), null);
                    }
                });
            }
            return;
        }
        try (SocketChannel socket = SocketChannel.open(source)) {
            timed(() -> {
                if (method.equals("zcio")) {
                    return moved(Transfer.from(socket).to(sink).run());
                }
                try (FileChannel out = create(sink)) {
                    long bytes = 0;
                    for (long count = 1; count > 0; bytes += count) {
                        count = out.transferFrom(socket, bytes, Long.MAX_VALUE - bytes);
                    }
                    return new Moved(bytes, null);
                }
            });
        }
    }

    private void fileToFile(Path source, Path sink) throws IOException {
        timed(() -> {
            switch (method) {
                case "zcio":
                    return moved(Transfer.from(source).to(sink).run());
                case "streams":
                    try (InputStream in = new FileInputStream(source.toFile());
                            OutputStream out = new FileOutputStream(sink.toFile())) {
                        return new Moved(copy(in, out), null);
                    }
                default:
                    try (FileChannel in = FileChannel.open(source, StandardOpenOption.READ);
                            FileChannel out = create(sink)) {
                        return new Moved(channels(in, out), null);
                    }
            }
        });
    }

    private long channels(FileChannel in, FileChannel out) throws IOException {
        return switch (method) {
            case "map_write" -> map(in, out);
            case "transfer_to" -> transferTo(in, out);
            case "transfer_from" -> transferFrom(in, out);
            default -> throw new IOException("no such method: " + method);
        };
    }

    private static long copy(InputStream in, OutputStream out) throws IOException {
        byte[] buffer = new byte[STREAM_BUFFER];
        long bytes = 0;
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
            out.write(buffer, 0, count);
            bytes += count;
        }
        return bytes;
    }

    private static long transferTo(FileChannel in, WritableByteChannel out) throws IOException {
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

    private static long map(FileChannel in, WritableByteChannel out) throws IOException {
        long bytes = 0;
        for (long size = in.size(); bytes < size; ) {
            ByteBuffer mapped = in.map(FileChannel.MapMode.READ_ONLY, bytes, Math.min(size - bytes, MAPPING));
            while (mapped.hasRemaining()) {
                bytes += out.write(mapped);
            }
        }
        return bytes;
    }

    private static Moved moved(Report report) {
        return new Moved(report.bytes(), report.mechanism().mechanismName());
    }

    private static FileChannel create(Path path) throws IOException {
        return FileChannel.open(
                path, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
    }

    private static InetSocketAddress address(String text) {
        int colon = text.lastIndexOf(':');
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    private static void expectEnd(int read) throws IOException {
        if (read >= 0) {
            throw new IOException("the receiver sent something");
        }
    }

    /** Says that it is ready, waits for go, and reports what the work moved and how long it took. */
    private static void timed(Work work) throws IOException {
        ANSWERS.println("ready");
        if (REQUESTS.readLine() == null) {
            throw new IOException("the requests ended before go");
        }
        long start = System.nanoTime();
        Moved moved = work.run();
        long wall = System.nanoTime() - start;
        String mechanism = moved.mechanism() == null ? "" : "\tmechanism=" + moved.mechanism();
        ANSWERS.println("done\tbytes=" + moved.bytes() + "\twall_ns=" + wall + mechanism);
    }
}
