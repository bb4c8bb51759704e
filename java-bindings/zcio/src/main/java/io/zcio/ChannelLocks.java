package io.zcio;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The locks by which NIO keeps two operations on a channel apart, for a whole transfer: another thread's write comes before
 * or after it, never in the midst. A socket and a pipe have one to read and one to write under, a file has one for its
 * position.
 *
 * <p>They belong to {@code sun.nio.ch} ({@link Internals}). Where a runtime has another, the transfer goes on without it.
 */
final class ChannelLocks {
    private static final MethodHandle POSITION;
    private static final MethodHandle SOCKET_WRITE;
    private static final MethodHandle SOCKET_READ;
    private static final MethodHandle PIPE_WRITE;
    private static final MethodHandle PIPE_READ;
    /** {@code SocketChannelImpl.isInputOpen} */
    private static final MethodHandle INPUT_IS_OPEN;

    static {
        String socket = "sun.nio.ch.SocketChannelImpl";
        POSITION = Internals.field(
                "sun.nio.ch.FileChannelImpl", "positionLock", Object.class, Object.class, FileChannel.class);
        SOCKET_WRITE = lock(socket, "writeLock");
        SOCKET_READ = lock(socket, "readLock");
        PIPE_WRITE = lock("sun.nio.ch.SinkChannelImpl", "writeLock");
        PIPE_READ = lock("sun.nio.ch.SourceChannelImpl", "readLock");
        INPUT_IS_OPEN = Internals.method(socket, "isInputOpen", boolean.class, SocketChannel.class);
    }

    private ChannelLocks() {}

    private static MethodHandle lock(String owner, String name) {
        return Internals.field(owner, name, ReentrantLock.class, ReentrantLock.class, SelectableChannel.class);
    }

    /** Whether {@link #whileWriting} is what it says, to such a sink of this runtime's. */
    static boolean knowsWriterOf(SelectableChannel sink) {
        return (sink instanceof SocketChannel ? SOCKET_WRITE : PIPE_WRITE) != null;
    }

    /** Runs it as the only writer of the target. */
    static long whileWriting(Channel target, ZeroCopyFileChannel.Waiting transfer) throws IOException {
        return under(lockOf(target, SOCKET_WRITE, PIPE_WRITE), transfer);
    }

    /** The lock to write to such a sink under; one that {@link #knowsWriterOf} knows. */
    static ReentrantLock writerOf(SelectableChannel sink) {
        return (ReentrantLock) lockOf(sink, SOCKET_WRITE, PIPE_WRITE);
    }

    /** Runs it as the only reader of the source. */
    static long whileReading(Channel source, ZeroCopyFileChannel.Waiting transfer) throws IOException {
        return under(lockOf(source, SOCKET_READ, PIPE_READ), transfer);
    }

    /** Whether {@link SocketChannel#shutdownInput} was called, after which nothing is read, whatever still arrives. */
    static boolean isInputShut(SocketChannel socket) {
        try {
            return INPUT_IS_OPEN != null && End.hasDescriptor(socket) && !(boolean) INPUT_IS_OPEN.invokeExact(socket);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    private static long under(Object lock, ZeroCopyFileChannel.Waiting transfer) throws IOException {
        if (lock == null) {
            return transfer.run();
        }
        if (lock instanceof ReentrantLock stream) {
            stream.lock();
            try {
                return transfer.run();
            } finally {
                stream.unlock();
            }
        }
        synchronized (lock) {
            return transfer.run();
        }
    }

    /** Null for a channel of somebody else's. */
    private static Object lockOf(Channel channel, MethodHandle ofSockets, MethodHandle ofPipes) {
        if (!End.hasDescriptor(channel)) {
            return null;
        }
        try {
            if (channel instanceof ZeroCopyFileChannel ours) {
                return POSITION == null ? null : (Object) POSITION.invokeExact(ours.delegate);
            } else if (channel instanceof FileChannel file) {
                return POSITION == null ? null : (Object) POSITION.invokeExact(file);
            }
            MethodHandle lock = channel instanceof SocketChannel ? ofSockets : ofPipes;
            return lock == null ? null : (ReentrantLock) lock.invokeExact((SelectableChannel) channel);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }
}
