package io.zcio;

import java.io.IOException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;

/**
 * From a file by the one system call that moves the bytes and hardly another: a few bytes to a socket or file, for which
 * setting up a {@link Transfer} would cost more than moving them, and any number to a pipe, which takes 64 KiB a call.
 *
 * <p>The thread is registered with both channels as NIO's own transferTo would ({@link CloseProtocol}): a close or an
 * interrupt ends the wait for the sink, and neither descriptor's number can become another file's meanwhile. Whatever is
 * not plain success is left to the transfer, which knows why and what else to try.
 */
final class SmallTransfer {
    /** To a socket or file, above this many bytes, a transfer has better ways: a large pipe, shared blocks. */
    private static final long SMALL = 1 << 20;

    private static final int EINTR = 4;
    private static final int EAGAIN = 11;

    private SmallTransfer() {}

    /** Whether this is the better way: a virtual thread, which no signal reaches, must not wait in a system call. */
    static boolean serves(WritableByteChannel target, long count) {
        boolean known = target instanceof SocketChannel socket
                // In non-blocking mode one call is all there is, as NIO makes it: whoever waits in a selector comes again.
                ? (count <= SMALL || !socket.isBlocking()) && socket.isConnected()
                // A file channel may be a pipe's end, as only the kernel knows.
                : target instanceof Pipe.SinkChannel || target instanceof FileChannel;
        return known
                && count > 0
                && End.hasDescriptor(target)
                && (!(target instanceof SelectableChannel sink) || CloseProtocol.serves(sink))
                && !Threads.isVirtual();
    }

    /**
     * Sends until everything has gone or the file ends; to a sink in non-blocking mode once.
     *
     * @param threads the source's set of threads
     * @return how many bytes were sent; or, as {@code ~sent}, how many were sent before it became somebody else's task to go
     *     on or to find out what is wrong
     */
    static long send(ZeroCopyFileChannel file, Object threads, long position, long count, WritableByteChannel target)
            throws IOException {
        if (target instanceof SelectableChannel) {
            // It has its own hook for an interrupt. Two hooks would be one too many: the interrupter, who holds the
            // lock of the first, waits for this thread to leave the file, and this thread waits for the lock to set the second.
            if (Thread.currentThread().isInterrupted()) {
                throw new ClosedByInterruptException();
            }
            return inside(file, threads, position, count, target);
        }
        long[] result = {~0L};
        try {
            return file.interruptibly(() -> result[0] = inside(file, threads, position, count, target));
        } catch (ClosedChannelException e) {
            throw counted(e, result[0]);
        }
    }

    private static long inside(
            ZeroCopyFileChannel file, Object threads, long position, long count, WritableByteChannel target)
            throws IOException {
        FileChannel inner = file.delegate;
        int entry = CloseProtocol.enter(threads);
        try {
            if (!inner.isOpen()) {
                throw new ClosedChannelException();
            }
            if (target instanceof SelectableChannel sink) {
                return toStream(inner, position, count, sink);
            }
            FileChannel sink = target instanceof ZeroCopyFileChannel ours ? ours.delegate : (FileChannel) target;
            return toFile(inner, position, count, sink);
        } finally {
            CloseProtocol.leave(threads, entry);
        }
    }

    private static long toStream(FileChannel file, long position, long count, SelectableChannel sink) throws IOException {
        boolean blocking = CloseProtocol.beforeWrite(sink);
        long result = ~0L;
        try {
            result = loop(NativeChannel.SENDFILE, file, CloseProtocol.number(sink), position, count, sink, blocking);
        } finally {
            try {
                CloseProtocol.afterWrite(sink, blocking, result != 0 && result != ~0L);
            } catch (ClosedChannelException e) {
                throw counted(e, result);
            }
        }
        return result;
    }

    /** What NIO's hook for an interrupt throws, which does not know what has been sent. */
    private static ClosedChannelException counted(ClosedChannelException failure, long result) {
        long sent = result < 0 ? ~result : result;
        return failure.getCause() != null
                ? failure
                : Watch.withCause(failure, new TransferException("a channel was closed", sent, 0, new byte[0], null));
    }

    /** A file channel may be the end of a FIFO, too. */
    private static long toFile(FileChannel file, long position, long count, FileChannel sink) throws IOException {
        try (End.Hold held = CloseProtocol.hold(sink)) {
            int number = CloseProtocol.number(sink);
            boolean pipe = NativeChannel.isPipe(number);
            if (!pipe && count > SMALL) {
                return ~0L;
            }
            int call = pipe ? NativeChannel.SENDFILE : NativeChannel.COPY_FILE_RANGE;
            return loop(call, file, number, position, count, sink, true);
        }
    }

    private static long loop(
            int call, FileChannel file, int to, long position, long count, Channel sink, boolean blocking)
            throws TransferException {
        Object event = Flight.begin("transfer", file, sink);
        Mechanism mechanism = call == NativeChannel.SENDFILE ? Mechanism.SENDFILE : Mechanism.COPY_FILE_RANGE;
        int from = CloseProtocol.number(file);
        long sent = 0;
        long calls = 0;
        long last = -EINTR;
        while (sent < count && (last > 0 && blocking || last == -EINTR) && file.isOpen() && sink.isOpen()) {
            try {
                calls++;
                last = NativeChannel.send(call, from, to, position + sent, count - sent);
            } catch (TransferException e) {
                Flight.end(event, sent, mechanism, calls, e);
                // A socket tells it only once, so nobody else is asked; after the first byte NIO keeps it to itself.
                if (sent == 0) {
                    throw e;
                }
                return sent;
            }
            sent += Math.max(last, 0);
        }
        boolean full = last == -EAGAIN;
        boolean over = sent == count || (full ? !blocking : sent > 0);
        // Closed meanwhile: whoever goes on says so, with the count.
        over &= sent == count || (last <= 0 || !blocking) && last != -EINTR;
        if (over || sent > 0) {
            Flight.end(event, sent, mechanism, calls, null);
        }
        return over ? sent : ~sent;
    }
}
