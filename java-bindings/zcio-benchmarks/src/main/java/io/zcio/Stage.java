package io.zcio;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What the benchmarks play on: a file in the page cache, opened by NIO or by zcio, and a TCP connection over the loopback
 * whose other end reads or writes without end.
 */
final class Stage implements AutoCloseable {
    final Path path;
    final FileChannel file;
    final SocketChannel socket;
    private final SocketChannel peer;

    /** {@code by} is "nio" or "zcio"; the peer is a reader, or else a writer. */
    Stage(String by, long size, boolean peerReads) throws IOException {
        path = Files.createTempFile("zcio-benchmark", "");
        file = open(by, path);
        ByteBuffer block = ByteBuffer.allocateDirect(1 << 20);
        for (long at = 0; at < size; at += block.capacity()) {
            file.write(block.clear().limit((int) Math.min(block.capacity(), size - at)), at);
        }
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            socket = SocketChannel.open(server.getLocalAddress());
            peer = server.accept();
        }
        socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
        Thread thread = new Thread(() -> play(peerReads), "peer");
        thread.setDaemon(true);
        thread.start();
    }

    static FileChannel open(String by, Path path) throws IOException {
        StandardOpenOption[] options = {StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE};
        return by.equals("nio") ? FileChannel.open(path, options) : ZeroCopyFileChannel.open(path, options);
    }

    private void play(boolean reads) {
        ByteBuffer block = ByteBuffer.allocateDirect(1 << 20);
        try {
            while ((reads ? peer.read(block.clear()) : peer.write(block.clear())) >= 0) {
                continue;
            }
        } catch (IOException e) {
            // The benchmark is over.
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
        peer.close();
        file.close();
        Files.delete(path);
    }
}
