package io.zcio;

import java.io.Closeable;
import java.io.IOException;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.util.Objects;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSocket;

/**
 * A TLS connection of the JDK for which the kernel encrypts what is sent, so that a file goes out of the page cache through the
 * cipher to the network and never into the process.
 *
 * <pre>{@code
 * sslSocket.startHandshake();
 * try (KernelTls tls = KernelTls.begin(sslSocket)) {
 *     Transfer.from(path).to(tls.channel()).run();
 * } catch (UnsupportedOperationException e) {
 *     // As ever: the JDK encrypts.
 *     Files.copy(path, sslSocket.getOutputStream());
 * }
 * }</pre>
 *
 * <p>After the handshake the kernel is given the key to send with, for good: plain bytes go to {@link #channel}, by a {@link
 * Transfer} or by {@link SocketChannel#write}. The connection's own output is closed, and {@link SSLEngine#wrap} makes nothing
 * more. What the peer sends, the JDK decrypts as before: {@link SSLSocket#getInputStream}, {@link SSLEngine#unwrap}.
 *
 * <p>AES-GCM of TLS 1.2 and 1.3, on a kernel that has TLS ({@code zcio probe}: {@code ktls}). The keys are in private fields of the
 * JDK, which are known of JDK 17 to 25. Anything else is an {@link UnsupportedOperationException} that says what, and the connection
 * is as it was. The key is never changed (KeyUpdate): it is good for 380 GB. A peer that asks for new keys gets none, and goes on with
 * these.
 */
public final class KernelTls implements Closeable {
    private static final String ENGINE = "sun.security.ssl.SSLEngineImpl";
    private static final String SOCKET = "sun.security.ssl.SSLSocketImpl";

    private final SocketChannel channel;
    /** Whether the channel was made here. */
    private final boolean isOwn;

    private boolean isOver;

    private KernelTls(SocketChannel channel, boolean isOwn) {
        this.channel = channel;
        this.isOwn = isOwn;
    }

    /**
     * Lets the kernel encrypt for a socket.
     *
     * @param socket one of the JDK's own, after its handshake
     * @return the connection's sending half; close it before the socket
     * @throws IOException                   if the socket is closed
     * @throws UnsupportedOperationException if the kernel cannot encrypt for it, with the reason: it is as it was
     */
    public static KernelTls begin(SSLSocket socket) throws IOException {
        requireJdks(socket, SOCKET);
        Socket below = (Socket) NativeTls.below(socket);
        if (below == null) {
            throw new UnsupportedOperationException("this Java runtime's TLS is another than zcio knows");
        }
        SocketChannel given = below == socket ? null : below.getChannel();
        SocketChannel channel = given != null ? given : NativeTls.channel(below);
        if (channel == null) {
            throw new UnsupportedOperationException("this Java runtime's sockets are others than zcio knows");
        }
        try {
            require(NativeTls.beginSocket(socket, channel));
        } catch (UnsupportedOperationException | IOException e) {
            if (given == null) {
                channel.close();
            }
            throw e;
        }
        return new KernelTls(channel, given == null);
    }

    /**
     * Lets the kernel encrypt for an engine whose records go to that channel. Everything that it has wrapped must have been written.
     *
     * @param engine  one of the JDK's own, after its handshake
     * @param channel the connection, one of the JDK's own
     * @return the connection's sending half
     * @throws IOException                   if the channel is closed
     * @throws UnsupportedOperationException if the kernel cannot encrypt for it, with the reason: it is as it was
     */
    public static KernelTls begin(SSLEngine engine, SocketChannel channel) throws IOException {
        requireJdks(engine, ENGINE);
        // Of the JDK's own channels alone the descriptor can be read.
        End.of(Objects.requireNonNull(channel));
        require(NativeTls.begin(engine, channel));
        return new KernelTls(channel, false);
    }

    /**
     * What is written to it, the kernel encrypts. It must not be read.
     *
     * @return the connection's channel
     */
    public SocketChannel channel() {
        return channel;
    }

    /**
     * Tells the peer that these were all the bytes ({@code close_notify}), and ends the output. What the peer sends can still be
     * read.
     *
     * @throws IOException if the peer is gone
     */
    @Override
    public synchronized void close() throws IOException {
        if (isOver) {
            return;
        }
        isOver = true;
        try {
            NativeTls.closeNotify(channel);
            channel.shutdownOutput();
        } finally {
            if (isOwn) {
                channel.close();
            }
        }
    }

    private static void requireJdks(Object connection, String name) {
        // By name: the class is in a package that is not exported. Only the JDK can have one of that name.
        if (!connection.getClass().getName().equals(name)) {
            throw new UnsupportedOperationException(connection.getClass().getName() + " is not the JDK's own TLS");
        }
    }

    private static void require(String reason) {
        if (reason != null) {
            throw new UnsupportedOperationException("the kernel cannot encrypt for this connection: " + reason);
        }
    }
}
