package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** Ends of every kind with somebody at the other side, so that a test can look at what really arrived. */
final class Ends {
    /** What a transfer can start from or go to. */
    enum Kind {
        PATH, FILE, TCP, UNIX, PIPE
    }

    private Ends() {}

    /** Bytes that repeat with no power of two, so that a shifted or doubled page shows. */
    static byte[] pattern(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) ((i % 251) ^ (i / 251 % 241));
        }
        return bytes;
    }

    /** A new file, on a disk if there is one: under target/, or where temporary files are for who may not write there. */
    static Path fileOnDisk(String name) throws IOException {
        Path target = Path.of("target");
        return Files.isWritable(target) ? Files.createTempFile(target, name, "") : Files.createTempFile(name, "");
    }

    /** Two channels that are connected to each other. */
    record Pair(SocketChannel near, SocketChannel far) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            near.close();
            far.close();
        }
    }

    static Pair tcp() throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            return new Pair(SocketChannel.open(server.getLocalAddress()), server.accept());
        }
    }

    static Pair unix() throws IOException {
        Path path = Files.createTempDirectory("zcio-test").resolve("socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            return new Pair(SocketChannel.open(UnixDomainSocketAddress.of(path)), server.accept());
        } finally {
            Files.deleteIfExists(path);
            Files.delete(path.getParent());
        }
    }

    /** Both ends of something that bytes flow through. */
    record Flow(WritableByteChannel sink, ReadableByteChannel source) {}

    /** A pipe, a FIFO in that directory ("ours": opened as zcio's channel), or a pair of sockets. */
    static Flow flow(String kind, Path directory) throws Exception {
        if (kind.equals("pipe")) {
            Pipe pipe = Pipe.open();
            return new Flow(pipe.sink(), pipe.source());
        } else if (kind.equals("tcp") || kind.equals("unix")) {
            Pair pair = kind.equals("tcp") ? tcp() : unix();
            return new Flow(pair.near, pair.far);
        }
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        // Opened for both, so that neither open waits for the other end; and closed, so that the reader sees the writer's end.
        try (FileChannel both = FileChannel.open(fifo, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            FileChannel reader = FileChannel.open(fifo, StandardOpenOption.READ);
            return new Flow(
                    kind.equals("fifo")
                            ? FileChannel.open(fifo, StandardOpenOption.WRITE)
                            : ZeroCopyFileChannel.open(fifo, StandardOpenOption.WRITE),
                    reader);
        }
    }

    /** A source with its content, sent by a thread if it is a stream. */
    static final class Source implements AutoCloseable {
        final Object end;
        private final CompletableFuture<Void> sent;

        Source(Kind kind, Path file, byte[] content) throws IOException {
            WritableByteChannel writer;
            switch (kind) {
                case TCP, UNIX -> {
                    Pair pair = kind == Kind.TCP ? tcp() : unix();
                    end = pair.near;
                    writer = pair.far;
                }
                case PIPE -> {
                    Pipe pipe = Pipe.open();
                    end = pipe.source();
                    writer = pipe.sink();
                }
                default -> {
                    Files.write(file, content);
                    end = kind == Kind.PATH ? file : FileChannel.open(file);
                    writer = null;
                }
            }
            sent = writer == null ? CompletableFuture.completedFuture(null) : background(() -> {
                try (writer) {
                    writeAll(writer, content);
                }
                return null;
            });
        }

        Transfer.Source transfer() {
            return EndCalls.from(end);
        }

        /** Closes it without minding a sender that had not finished. */
        void abandon() throws IOException {
            if (end instanceof Channel channel) {
                channel.close();
            }
            sent.handle((nothing, failure) -> null).join();
        }

        @Override
        public void close() throws IOException {
            abandon();
            result(sent);
        }
    }

    /** A sink, received by a thread if it is a stream. */
    static final class Sink implements AutoCloseable {
        final Object end;
        private final Path file;
        private final CompletableFuture<byte[]> received;

        Sink(Kind kind, Path file) throws IOException {
            ReadableByteChannel reader;
            this.file = file;
            switch (kind) {
                case TCP, UNIX -> {
                    Pair pair = kind == Kind.TCP ? tcp() : unix();
                    end = pair.near;
                    reader = pair.far;
                }
                case PIPE -> {
                    Pipe pipe = Pipe.open();
                    end = pipe.sink();
                    reader = pipe.source();
                }
                default -> {
                    end = kind == Kind.PATH
                            ? file
                            : FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
                    reader = null;
                }
            }
            received = reader == null ? null : background(() -> {
                try (reader) {
                    return readAll(reader);
                }
            });
        }

        Transfer from(Transfer.Source source) {
            return EndCalls.to(source, end);
        }

        /** Ends the stream and gives back everything that arrived. */
        byte[] received() throws IOException {
            close();
            return received == null ? Files.readAllBytes(file) : result(received);
        }

        @Override
        public void close() throws IOException {
            if (end instanceof Channel channel) {
                channel.close();
            }
        }
    }

    static void writeAll(WritableByteChannel channel, byte[] content) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(content);
        while (buffer.hasRemaining()) {
            buffer.limit(Math.min(content.length, buffer.position() + 65536));
            channel.write(buffer);
            buffer.limit(content.length);
        }
    }

    static byte[] readAll(ReadableByteChannel channel) throws IOException {
        // In pieces: an array that is doubled needs three times the room, and the heap is small.
        List<ByteBuffer> pieces = new ArrayList<>();
        int length = 0;
        ByteBuffer piece = ByteBuffer.allocate(65536);
        for (int count; (count = channel.read(piece)) >= 0; length += count) {
            if (!piece.hasRemaining()) {
                pieces.add(piece.flip());
                piece = ByteBuffer.allocate(65536);
            }
        }
        ByteBuffer all = ByteBuffer.allocate(length);
        pieces.forEach(all::put);
        return all.put(piece.flip()).array();
    }

    /** Reads to the end and counts. */
    static long drain(ReadableByteChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(65536);
        long count = 0;
        while (channel.read(buffer.clear()) >= 0) {
            count += buffer.position();
        }
        return count;
    }

    /** Something that may fail. */
    interface Work<T> {
        T run() throws Exception;
    }

    static <T> CompletableFuture<T> background(Work<T> work) {
        CompletableFuture<T> future = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                future.complete(work.run());
            } catch (Throwable e) {
                future.completeExceptionally(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return future;
    }

    /**
     * Waits until a thread is inside native code that moves or waits. What stops it after that finds it there; a moment
     * earlier a channel that is closed is just closed, which is another exception.
     */
    static void awaitAtWork(Thread thread) throws InterruptedException {
        for (int i = 0; i < 30_000 && thread.isAlive(); i++) {
            StackTraceElement[] frames = thread.getStackTrace();
            if (frames.length > 0 && frames[0].isNativeMethod()) {
                String name = frames[0].getClassName();
                if (name.startsWith("io.zcio.") || name.startsWith("sun.nio.ch.")
                        || name.endsWith(".misc.Unsafe") && frames[0].getMethodName().equals("park")) {
                    return;
                }
            }
            Thread.sleep(1);
        }
        assertFalse(thread.isAlive(), "it does not begin");
    }

    /**
     * Whether one of five attempts finds what it looks for in the page cache: the kernel takes clean pages whenever it
     * likes, and a machine that looks for idle memory takes some that were used a moment ago. What loses them each time is
     * caught.
     */
    static boolean inAttempts(Work<Boolean> attempt) throws Exception {
        for (int i = 0; i < 5; i++) {
            if (attempt.run()) {
                return true;
            }
        }
        return false;
    }

    static <T> T result(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (ExecutionException | InterruptedException e) {
            throw new AssertionError("the other side failed", e);
        }
    }
}
