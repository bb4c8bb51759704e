package io.zcio;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;

/**
 * A few bytes from a file to a socket in one sendfile(2) and no other system call, for which setting up a {@link Transfer}
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
     * Sends once.
     *
     * @return how many bytes were sent; 0 if somebody else has to find out what there is to do; negative if the socket is in
     *     non-blocking mode and takes nothing now
     */
    static long send(ZeroCopyFileChannel file, Object threads, long position, long count, SocketChannel socket)
            throws IOException {
        if (!socket.isConnected() || count == 0) {
            return 0;
        }
        return file.interruptibly(() -> {
            FileChannel inner = file.delegate;
            int entry = CloseProtocol.enter(threads);
            try {
                if (!inner.isOpen()) {
                    throw new ClosedChannelException();
                }
                return send(CloseProtocol.number(inner), inner, position, count, socket);
            } finally {
                CloseProtocol.leave(threads, entry);
            }
        });
    }

    private static long send(int from, FileChannel file, long position, long count, SocketChannel socket)
            throws IOException {
        boolean blocking = CloseProtocol.beforeWrite(socket);
        long moved = -EINTR;
        try {
            int to = CloseProtocol.number(socket);
            while (moved == -EINTR && file.isOpen() && socket.isOpen()) {
                moved = ChannelNative.sendfile(from, to, position, count);
            }
        } finally {
            CloseProtocol.afterWrite(socket, blocking, moved >= 0);
        }
        if (moved == -EINTR) {
            throw new ClosedChannelException();
        }
        if (moved == -EAGAIN && !blocking) {
            return -1;
        }
        return Math.max(moved, 0);
    }
}
