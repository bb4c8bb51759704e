package io.zcio;

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
 * <p>These methods belong to {@code sun.nio.ch} ({@link Internals}). Where a runtime has other methods {@link #AVAILABLE} is
 * false, and the caller takes a {@link Transfer}, which does without.
 */
final class CloseProtocol {
    /** Whether this runtime has what is needed here. */
    static final boolean AVAILABLE;

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
    /** {@code Thread.isVirtual}, from 21 on. */
    private static final MethodHandle IS_VIRTUAL;

    static {
        Internals find = new Internals();
        Class<?> file = find.type("sun.nio.ch.FileChannelImpl");
        Class<?> socket = find.type("sun.nio.ch.SocketChannelImpl");
        Class<?> pipe = find.type("sun.nio.ch.SinkChannelImpl");
        Class<?> set = find.type("sun.nio.ch.NativeThreadSet");
        THREADS = find.field(file, "threads", set, Object.class, FileChannel.class);
        DESCRIPTOR = DescriptorField.GETTER;
        NUMBER = find.field(java.io.FileDescriptor.class, "fd", int.class, int.class, java.io.FileDescriptor.class);
        ADD = find.method(set, "add", int.class, Object.class);
        REMOVE = find.method(set, "remove", void.class, Object.class, int.class);
        SOCKET = Writer.find(find, socket);
        PIPE = Writer.find(find, pipe);
        IS_VIRTUAL = find.method(Thread.class, "isVirtual", boolean.class, Thread.class);
        boolean files = THREADS != null && DESCRIPTOR != null && NUMBER != null && ADD != null && REMOVE != null;
        AVAILABLE = files && SOCKET.isComplete() && PIPE.isComplete() && ChannelLocks.OF_WRITERS_ARE_KNOWN;
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
            return (int) NUMBER.invokeExact((java.io.FileDescriptor) DESCRIPTOR.invokeExact(file));
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

    /** Whether this thread is a virtual one, which no signal reaches. */
    static boolean inVirtualThread() {
        try {
            return IS_VIRTUAL != null && (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /**
     * How a thread becomes the writer of a {@code SocketChannelImpl} or {@code SinkChannelImpl}.
     *
     * @param number {@code fdVal}
     * @param begin  {@code beginWrite}
     * @param end    {@code endWrite}
     */
    private record Writer(MethodHandle number, MethodHandle begin, MethodHandle end) {

        static Writer find(Internals find, Class<?> owner) {
            Class<?> channel = SelectableChannel.class;
            return new Writer(
                    find.field(owner, "fdVal", int.class, int.class, channel),
                    find.method(owner, "beginWrite", void.class, channel, boolean.class),
                    find.method(owner, "endWrite", void.class, channel, boolean.class, boolean.class));
        }

        boolean isComplete() {
            return number != null && begin != null && end != null;
        }

        static Writer to(SelectableChannel sink) {
            return sink instanceof SocketChannel ? SOCKET : PIPE;
        }
    }
}
