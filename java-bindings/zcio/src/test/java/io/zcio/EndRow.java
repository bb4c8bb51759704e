package io.zcio;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/** A kind of end as a caller can have one, and by which of {@link End.Kind} it is held: a row of {@link EndLifeTest}'s table. */
enum EndRow {
    PATH(End.Kind.PATH, Path.class),
    FIFO(End.Kind.PATH, Path.class),
    FIFO_CHANNEL(End.Kind.FILE, FileChannel.class),
    FILE(End.Kind.FILE, FileChannel.class),
    ZERO_COPY_FILE(End.Kind.FILE, FileChannel.class),
    TCP(End.Kind.STREAM, SocketChannel.class),
    UNIX(End.Kind.STREAM, SocketChannel.class),
    PIPE_SOURCE(End.Kind.STREAM, Pipe.SourceChannel.class),
    PIPE_SINK(End.Kind.STREAM, Pipe.SinkChannel.class),
    REGION(End.Kind.REGION, MappedRegion.class),
    SHARED_REGION(End.Kind.REGION, MappedRegion.class),
    /** Of pages that come from a socket by one mechanism. */
    RECEIVING_REGION(End.Kind.REGION, MappedRegion.class),
    BUFFER(End.Kind.BUFFER, ByteBuffer.class),
    ARENA(End.Kind.BUFFER, ByteBuffer.class);

    final End.Kind kind;
    /** The type of the parameter by which it is given. */
    final Class<?> type;

    EndRow(End.Kind kind, Class<?> type) {
        this.kind = kind;
        this.type = type;
    }

    boolean isSocket() {
        return this == TCP || this == UNIX;
    }

    boolean isFifo() {
        return this == FIFO || this == FIFO_CHANNEL;
    }

    boolean isStream() {
        return kind == End.Kind.STREAM || isFifo();
    }

    boolean isMemory() {
        return kind == End.Kind.REGION || kind == End.Kind.BUFFER;
    }

    boolean canBeSource() {
        return this != PIPE_SINK && this != RECEIVING_REGION && exists();
    }

    boolean canBeSink() {
        return this != PIPE_SOURCE && exists();
    }

    private boolean exists() {
        return this != ARENA || Arenas.EXIST;
    }

    boolean canBeResized() {
        return !isStream() && kind != End.Kind.BUFFER;
    }

    /** An end of this kind, with whoever is at its other side. */
    static final class Made implements AutoCloseable {
        final EndRow row;
        final Object end;
        /** What a stream source is fed by, or a stream sink emptied by; null for others. */
        private final Channel far;
        private final Path path;
        private Object owner;

        /** A source of that content, or with null a sink. */
        Made(EndRow row, Path directory, byte[] given) throws Exception {
            boolean source = given != null;
            byte[] content = source ? given : new byte[row.isMemory() ? EndLifeTest.LENGTH : 0];
            this.row = row;
            path = directory.resolve((source ? "source-" : "sink-") + row);
            Files.deleteIfExists(path);
            Channel other = null;
            switch (row) {
                case TCP, UNIX -> {
                    Ends.Pair pair = row == TCP ? narrow() : Ends.unix();
                    end = pair.near();
                    other = pair.far();
                }
                case PIPE_SOURCE, PIPE_SINK -> {
                    Pipe pipe = Pipe.open();
                    end = source ? pipe.source() : pipe.sink();
                    other = source ? pipe.sink() : pipe.source();
                }
                case FIFO, FIFO_CHANNEL -> {
                    if (new ProcessBuilder("mkfifo", path.toString()).start().waitFor() != 0) {
                        throw new IOException("mkfifo " + path);
                    }
                    // Both directions: an open of one would wait for the other.
                    FileChannel both = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
                    owner = source ? null : both;
                    other = source ? both : FileChannel.open(path, StandardOpenOption.READ);
                    end = row == FIFO ? path : FileChannel.open(path, source ? StandardOpenOption.READ : StandardOpenOption.WRITE);
                }
                case REGION, SHARED_REGION -> end = region(content);
                case RECEIVING_REGION -> {
                    owner = MappedRegion.receiving(content.length);
                    end = owner;
                }
                case BUFFER -> end = ByteBuffer.allocateDirect(content.length).put(content).flip();
                case ARENA -> {
                    Arenas arena = Arenas.shared();
                    owner = arena;
                    end = arena.allocate(content.length).put(content).flip();
                }
                default -> {
                    Files.write(path, content);
                    StandardOpenOption how = source ? StandardOpenOption.READ : StandardOpenOption.WRITE;
                    end = row == PATH ? path : row == FILE ? FileChannel.open(path, how) : ZeroCopyFileChannel.open(path, how);
                }
            }
            far = other;
        }

        private Object region(byte[] content) throws IOException {
            MappedRegion region;
            if (row == SHARED_REGION) {
                SharedRegion shared = SharedRegion.create(content.length);
                owner = shared;
                region = shared.region();
            } else {
                Files.write(path, content);
                region = MappedRegion.open(path, MapMode.READ_WRITE);
                owner = region;
            }
            region.put(0, content, 0, content.length);
            return region;
        }

        /** A connection that holds little, so that a transfer over it is in its midst for as long as nobody reads. */
        private static Ends.Pair narrow() throws IOException {
            try (ServerSocketChannel server = ServerSocketChannel.open()) {
                server.setOption(StandardSocketOptions.SO_RCVBUF, 16 << 10);
                server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
                SocketChannel near = SocketChannel.open();
                near.setOption(StandardSocketOptions.SO_SNDBUF, 16 << 10);
                near.connect(server.getLocalAddress());
                return new Ends.Pair(near, server.accept());
            }
        }

        WritableByteChannel feeder() {
            return (WritableByteChannel) far;
        }

        ReadableByteChannel drain() {
            return (ReadableByteChannel) far;
        }

        /** What has arrived in a sink that is a file or memory, in which are zeroes behind it; null if nobody can tell any more. */
        byte[] content(Path moved) throws IOException {
            if (!row.isMemory()) {
                return Files.readAllBytes(Files.exists(moved) ? moved : path);
            }
            byte[] bytes = new byte[EndLifeTest.LENGTH];
            try {
                if (row == REGION) {
                    bytes = Files.readAllBytes(path);
                } else if (end instanceof MappedRegion region) {
                    region.get(0, bytes, 0, (int) Math.min(region.size(), bytes.length));
                } else {
                    ((ByteBuffer) end).get(0, bytes);
                }
            } catch (IllegalStateException e) {
                return null;
            }
            int length = bytes.length;
            while (length > 0 && bytes[length - 1] == 0) {
                length--;
            }
            return Arrays.copyOf(bytes, length);
        }

        /** Whether its position says that so many bytes have arrived, if it is a buffer. */
        boolean stands(long arrived) {
            return !(end instanceof ByteBuffer buffer) || buffer.position() == arrived;
        }

        /** Nothing more comes: who reads finds the end. */
        void ended() throws IOException {
            if (end instanceof Channel channel) {
                channel.close();
            }
            if (owner instanceof Channel channel) {
                channel.close();
            }
        }

        /** Takes it away, as another part of the program would: closed, unlinked, or freed; may be refused. */
        void lose(Path aside, Path other) throws IOException {
            switch (row) {
                case PATH, FIFO -> {
                    Files.move(path, aside, StandardCopyOption.ATOMIC_MOVE);
                    Files.copy(other, path);
                }
                case BUFFER -> {
                    // Nobody can: it lives as long as it is reachable.
                }
                case ARENA -> {
                    try {
                        ((Arenas) owner).close();
                    } catch (IllegalStateException e) {
                        // It is in use.
                    }
                }
                case REGION, SHARED_REGION, RECEIVING_REGION -> ((MappedRegion) end).close();
                default -> ((Channel) end).close();
            }
        }

        /** A source becomes shorter, a file that is a sink longer, a region shorter or, if it is shared, longer. */
        void resize(int length, boolean source) throws IOException {
            int size = source ? length / 2 : 2 * length;
            if (row == SHARED_REGION) {
                ((SharedRegion) owner).grow(2L * length);
            } else if (row.isMemory()) {
                ((MappedRegion) end).resize(length / 2);
            } else {
                try (var file = new java.io.RandomAccessFile(path.toFile(), "rw")) {
                    file.setLength(size);
                }
            }
        }

        @Override
        public void close() throws IOException {
            ended();
            if (far != null) {
                far.close();
            }
            if (owner instanceof MappedRegion region) {
                region.close();
            } else if (owner instanceof SharedRegion region) {
                region.close();
            } else if (owner instanceof Arenas arena) {
                try {
                    arena.close();
                } catch (IllegalStateException e) {
                    // Closed in the midst.
                }
            }
        }
    }
}
