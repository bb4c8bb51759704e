package io.zcio;

import java.io.FileDescriptor;
import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;

/**
 * The JDK's own protocol between a thread that uses the descriptor of a channel and one that closes the channel, spoken
 * from Java, for the calls that have to be as cheap as NIO's: see {@link SmallTransfer}.
 *
 * <p>A file channel signals the threads in its {@code NativeThreadSet} and waits until they have left before it closes its
 * descriptor; a socket channel or a pipe's end does the same with its one writer. Being registered with both means that neither number can
 * be used for another file meanwhile, and that a close or an interrupt ends a system call that waits (EINTR).
 *
 * <p>A duplicate of a file's descriptor would be simpler, and is not possible: closing any descriptor of a file takes away the POSIX
 * locks that this process has on it (fcntl(2)), {@code FileLock}s of the caller included.
 *
 * <p>These methods belong to {@code sun.nio.ch} ({@link Internals}). Where a runtime has other methods, for one
 * kind of channel perhaps, the caller takes a {@link Transfer}, which does without.
 */
final class CloseProtocol {
    /** Whether this runtime has what is needed for files; for a sink, see {@link #serves}. */
    static final boolean AVAILABLE;

    /** Whether the descriptors of sockets and pipes can be had, to be duplicated ({@code SelChImpl.getFDVal}). */
    static final boolean STREAMS;

    /** {@code FileChannelImpl.threads} and {@code .fd}, {@code FileDescriptor.fd} */
    private static final MethodHandle THREADS;
    private static final MethodHandle DESCRIPTOR;
    private static final MethodHandle NUMBER;
    /** {@code NativeThreadSet.add} and {@code .remove} */
    private static final MethodHandle ADD;
    private static final MethodHandle REMOVE;
    /** What writes to a socket, and what writes to a pipe. */
    private static final Writer SOCKET;
    private static final Writer PIPE;

    static {
        String set = "sun.nio.ch.NativeThreadSet";
        THREADS = Internals.field(
                "sun.nio.ch.FileChannelImpl", "threads", Internals.type(set), Object.class, FileChannel.class);
        DESCRIPTOR = DescriptorField.GETTER;
        NUMBER = Internals.field("java.io.FileDescriptor", "fd", int.class, int.class, FileDescriptor.class);
        ADD = Internals.method(set, "add", int.class, Object.class);
        REMOVE = Internals.method(set, "remove", void.class, Object.class, int.class);
        STREAMS = Internals.method("sun.nio.ch.SelChImpl", "getFDVal", int.class, Object.class) != null;
        SOCKET = Writer.find("sun.nio.ch.SocketChannelImpl");
        PIPE = Writer.find("sun.nio.ch.SinkChannelImpl");
        AVAILABLE = THREADS != null && DESCRIPTOR != null && NUMBER != null && ADD != null && REMOVE != null;
    }

    private CloseProtocol() {}

    /** The set of threads inside a file channel; asked for once a channel. */
    static Object threads(FileChannel file) {
        try {
            return THREADS.invokeExact(file);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /** The number of a file channel's descriptor, to be used between {@link #enter} and {@link #leave} only. */
    static int number(FileChannel file) {
        try {
            return (int) NUMBER.invokeExact((FileDescriptor) DESCRIPTOR.invokeExact(file));
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /** The number of a sink's descriptor, to be used between {@link #beforeWrite} and {@link #afterWrite} only. */
    static int number(SelectableChannel sink) {
        try {
            return (int) Writer.to(sink).number.invokeExact(sink);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /** Adds this thread to a file channel's set. Ask then whether the channel is open, and {@link #leave} in any case. */
    static int enter(Object threads) {
        try {
            return (int) ADD.invokeExact(threads);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /** Takes this thread out of the set again. */
    static void leave(Object threads, int entry) {
        try {
            REMOVE.invokeExact(threads, entry);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /** {@link #enter} of a file channel that is open then, to be ended by {@link #leave}. */
    static End.Hold hold(FileChannel file) throws ClosedChannelException {
        Object threads = threads(file);
        int entry = enter(threads);
        // In this order: a close that had not begun when we looked will find this thread in the set.
        if (!file.isOpen()) {
            leave(threads, entry);
            throw new ClosedChannelException();
        }
        return () -> leave(threads, entry);
    }

    /**
     * Makes this thread, which has the sink's lock to write under ({@link ChannelLocks}), the writer of a socket or pipe. In
     * blocking mode an interrupt closes the sink from now on. The sink may be closed by then: ask, and {@link #afterWrite} in any
     * case.
     *
     * @return whether the sink is in blocking mode, which cannot change before {@link #afterWrite}
     * @throws IOException if the sink is closed or not connected; {@link #afterWrite} must not follow then
     */
    static boolean beforeWrite(SelectableChannel sink) throws IOException {
        boolean blocking = sink.isBlocking();
        boolean begun = false;
        try {
            Writer.to(sink).begin.invokeExact(sink, blocking);
            begun = true;
            return blocking;
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        } finally {
            if (!begun) {
                // As the JDK: endWrite takes back the hook for an interrupt.
                afterWrite(sink, blocking, false);
            }
        }
    }

    /** Ends what {@link #beforeWrite} began; throws as NIO does if the sink was closed meanwhile. */
    static void afterWrite(SelectableChannel sink, boolean blocking, boolean completed) throws IOException {
        try {
            Writer.to(sink).end.invokeExact(sink, blocking, completed);
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /** Whether this thread can become the writer of such a sink here. */
    static boolean serves(SelectableChannel sink) {
        return Writer.to(sink).isComplete() && ChannelLocks.knowsWriterOf(sink);
    }

    /**
     * How a thread becomes the writer of a {@code SocketChannelImpl} or {@code SinkChannelImpl}.
     *
     * @param number {@code fdVal}
     * @param begin  {@code beginWrite}
     * @param end    {@code endWrite}
     */
    private record Writer(MethodHandle number, MethodHandle begin, MethodHandle end) {

        static Writer find(String owner) {
            Class<?> channel = SelectableChannel.class;
            return new Writer(
                    Internals.field(owner, "fdVal", int.class, int.class, channel),
                    Internals.method(owner, "beginWrite", void.class, channel, boolean.class),
                    Internals.method(owner, "endWrite", void.class, channel, boolean.class, boolean.class));
        }

        boolean isComplete() {
            return number != null && begin != null && end != null;
        }

        static Writer to(SelectableChannel sink) {
            return sink instanceof SocketChannel ? SOCKET : PIPE;
        }
    }
}
