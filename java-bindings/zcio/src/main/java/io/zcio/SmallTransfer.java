package io.zcio;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;

/**
 * A few bytes from a file to a socket by sendfile(2) and no other system call, for which setting up a {@link Transfer}
 * would cost more than moving the bytes.
 *
 * <p>The thread is registered with both channels as NIO's own transferTo would ({@link CloseProtocol}): a close or an
 * interrupt ends the wait for the socket, and neither descriptor's number can become another file's meanwhile. Whatever is
 * not plain success is left to the transfer, which knows why and what else to try.
 */
final class SmallTransfer {
    private static final int EINTR = 4;
    private static final int EAGAIN = 11;

    private SmallTransfer() {}

    /** Whether this is the better way: a virtual thread, which no signal reaches, must not wait in a system call. */
    static boolean serves(SocketChannel socket, long count, long small) {
        return count <= small && End.hasDescriptor(socket) && !CloseProtocol.inVirtualThread();
    }

    /**
     * Sends until everything has gone, the file ends, or a socket in non-blocking mode takes no more.
     *
     * @return how many bytes were sent; or, as {@code ~sent}, how many were sent before it became somebody else's task to go
     *     on or to find out what is wrong
     */
    static long send(ZeroCopyFileChannel file, Object threads, long position, long count, SocketChannel socket)
            throws IOException {
        if (!socket.isConnected() || count == 0) {
            return ~0L;
        }
        if (CloseProtocol.SOCKET_IS_INTERRUPTIBLE) {
            // The socket has its own hook for an interrupt. Two hooks would be one too many: the interrupter, who holds the
            // lock of the first, waits for this thread to leave the file, and this thread waits for the lock to set the second.
            if (Thread.currentThread().isInterrupted()) {
                throw new ClosedByInterruptException();
            }
            return inside(file, threads, position, count, socket);
        }
        return file.interruptibly(() -> inside(file, threads, position, count, socket));
    }

    private static long inside(ZeroCopyFileChannel file, Object threads, long position, long count, SocketChannel socket)
            throws IOException {
        FileChannel inner = file.delegate;
        int entry = CloseProtocol.enter(threads);
        try {
            if (!inner.isOpen()) {
                throw new ClosedChannelException();
            }
            return send(inner, position, count, socket);
        } finally {
            CloseProtocol.leave(threads, entry);
        }
    }

    private static long send(FileChannel file, long position, long count, SocketChannel socket) throws IOException {
        boolean blocking = CloseProtocol.beforeWrite(socket);
        long sent = 0;
        long last = -EINTR;
        try {
            int from = CloseProtocol.number(file);
            int to = CloseProtocol.number(socket);
            while (sent < count && (last > 0 || last == -EINTR) && file.isOpen() && socket.isOpen()) {
                last = ChannelNative.sendfile(from, to, position + sent, count - sent);
                sent += Math.max(last, 0);
            }
        } finally {
            CloseProtocol.afterWrite(socket, blocking, sent > 0);
        }
        if (sent == 0 && last == -EINTR) {
            throw new ClosedChannelException();
        }
        boolean full = last == -EAGAIN;
        boolean over = sent == count || (full ? !blocking : sent > 0);
        return over ? sent : ~sent;
    }
}
