package io.zcio;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The JDK's own protocol between a thread that uses the descriptor of a channel and one that closes the channel, spoken
 * from Java, for the one call that has to be as cheap as NIO's: a small transfer from a file to a socket.
 *
 * <p>A file channel signals the threads in its {@code NativeThreadSet} and waits until they have left before it closes its
 * descriptor; a socket channel does the same with its one writer. Being registered with both means that neither number can
 * be used for another file meanwhile, and that a close or an interrupt ends a system call that waits (EINTR).
 *
 * <p>These methods belong to {@code sun.nio.ch}, which is not open to others; the native code, which encapsulation does not
 * bind, hands over the lookup that sees them. Where a runtime has other methods {@link #AVAILABLE} is false, and the caller
 * takes a {@link Transfer}, which does without.
 */
final class CloseProtocol {
    /** Whether this runtime has what is needed here. */
    static final boolean AVAILABLE;

    /** Whether {@link #beforeWrite} sets a hook for an interrupt, which then closes the socket; else the caller has to. */
    static final boolean SOCKET_IS_INTERRUPTIBLE;

    /** {@code FileChannelImpl.threads} and {@code .fd}, {@code FileDescriptor.fd} */
    private static final MethodHandle THREADS;
    private static final MethodHandle DESCRIPTOR;
    private static final MethodHandle NUMBER;
    /** {@code NativeThreadSet.add} and {@code .remove} */
    private static final MethodHandle ADD;
    private static final MethodHandle REMOVE;
    /** {@code SocketChannelImpl.fdVal} */
    private static final MethodHandle SOCKET_NUMBER;
    /** {@code SocketChannelImpl.beforeTransferTo} and {@code .afterTransferTo}, in newer JDKs. */
    private static final MethodHandle BEFORE;
    private static final MethodHandle AFTER;
    /** {@code SocketChannelImpl.writeLock}, {@code .beginWrite} and {@code .endWrite}, in older ones. */
    private static final MethodHandle WRITE_LOCK;
    private static final MethodHandle BEGIN_WRITE;
    private static final MethodHandle END_WRITE;
    /** {@code Thread.isVirtual}, from 21 on. */
    private static final MethodHandle IS_VIRTUAL;

    static {
        Finder find = new Finder(ChannelNative.trustedLookup());
        Class<?> file = find.type("sun.nio.ch.FileChannelImpl");
        Class<?> socket = find.type("sun.nio.ch.SocketChannelImpl");
        Class<?> set = find.type("sun.nio.ch.NativeThreadSet");
        THREADS = find.field(file, "threads", set, Object.class, FileChannel.class);
        DESCRIPTOR = find.field(file, "fd", java.io.FileDescriptor.class, java.io.FileDescriptor.class, FileChannel.class);
        NUMBER = find.field(java.io.FileDescriptor.class, "fd", int.class, int.class, java.io.FileDescriptor.class);
        ADD = find.method(set, "add", int.class, Object.class);
        REMOVE = find.method(set, "remove", void.class, Object.class, int.class);
        SOCKET_NUMBER = find.field(socket, "fdVal", int.class, int.class, SocketChannel.class);
        BEFORE = find.method(socket, "beforeTransferTo", void.class, SocketChannel.class);
        AFTER = find.method(socket, "afterTransferTo", void.class, SocketChannel.class, boolean.class);
        WRITE_LOCK = find.field(socket, "writeLock", ReentrantLock.class, ReentrantLock.class, SocketChannel.class);
        BEGIN_WRITE = find.method(socket, "beginWrite", void.class, SocketChannel.class, boolean.class);
        END_WRITE = find.method(socket, "endWrite", void.class, SocketChannel.class, boolean.class, boolean.class);
        IS_VIRTUAL = find.method(Thread.class, "isVirtual", boolean.class, Thread.class);
        boolean files = THREADS != null && DESCRIPTOR != null && NUMBER != null && ADD != null && REMOVE != null;
        boolean sockets = SOCKET_NUMBER != null && (BEFORE != null && AFTER != null
                || WRITE_LOCK != null && BEGIN_WRITE != null && END_WRITE != null);
        AVAILABLE = files && sockets;
        SOCKET_IS_INTERRUPTIBLE = BEFORE == null;
    }

    private CloseProtocol() {}

    /** The set of threads inside a file channel; asked for once a channel. */
    static Object threads(FileChannel file) {
        try {
            return THREADS.invokeExact(file);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** The number of a file channel's descriptor, to be used between {@link #enter} and {@link #leave} only. */
    static int number(FileChannel file) {
        try {
            return (int) NUMBER.invokeExact((java.io.FileDescriptor) DESCRIPTOR.invokeExact(file));
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** The number of a socket's descriptor, to be used between {@link #beforeWrite} and {@link #afterWrite} only. */
    static int number(SocketChannel socket) {
        try {
            return (int) SOCKET_NUMBER.invokeExact(socket);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Adds this thread to a file channel's set. Ask then whether the channel is open, and {@link #leave} in any case. */
    static int enter(Object threads) {
        try {
            return (int) ADD.invokeExact(threads);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Takes this thread out of the set again. */
    static void leave(Object threads, int entry) {
        try {
            REMOVE.invokeExact(threads, entry);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /**
     * Makes this thread a socket's writer. The socket may be closed by then: ask, and {@link #afterWrite} in any case.
     *
     * @return whether the socket is in blocking mode, which cannot change before {@link #afterWrite}
     * @throws IOException if the socket is closed or not connected; {@link #afterWrite} must not follow then
     */
    static boolean beforeWrite(SocketChannel socket) throws IOException {
        try {
            if (BEFORE != null) {
                BEFORE.invokeExact(socket);
                return socket.isBlocking();
            }
            ReentrantLock lock = (ReentrantLock) WRITE_LOCK.invokeExact(socket);
            lock.lock();
            boolean blocking = socket.isBlocking();
            boolean begun = false;
            try {
                BEGIN_WRITE.invokeExact(socket, blocking);
                begun = true;
                return blocking;
            } finally {
                if (!begun) {
                    // As the JDK: endWrite takes back the hook for an interrupt.
                    afterWrite(socket, blocking, false);
                }
            }
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Ends what {@link #beforeWrite} began; throws as NIO does if the socket was closed meanwhile. */
    static void afterWrite(SocketChannel socket, boolean blocking, boolean completed) throws IOException {
        try {
            if (AFTER != null) {
                AFTER.invokeExact(socket, completed);
                return;
            }
            try {
                END_WRITE.invokeExact(socket, blocking, completed);
            } finally {
                ((ReentrantLock) WRITE_LOCK.invokeExact(socket)).unlock();
            }
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Whether this thread is a virtual one, which no signal reaches. */
    static boolean inVirtualThread() {
        try {
            return IS_VIRTUAL != null && (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static IllegalStateException unexpected(Throwable e) {
        return new IllegalStateException("zcio does not know this Java runtime", e);
    }

    /** Finds what is there, with types that can be named here; null for what is not. */
    private record Finder(MethodHandles.Lookup lookup) {
        Class<?> type(String name) {
            try {
                return Class.forName(name, false, null);
            } catch (ClassNotFoundException e) {
                return null;
            }
        }

        MethodHandle field(Class<?> owner, String name, Class<?> type, Class<?> as, Class<?> of) {
            try {
                return lookup.findGetter(owner, name, type).asType(MethodType.methodType(as, of));
            } catch (ReflectiveOperationException | NullPointerException e) {
                return null;
            }
        }

        /** {@code arguments} begins with the type by which the receiver is known here. */
        MethodHandle method(Class<?> owner, String name, Class<?> result, Class<?>... arguments) {
            MethodType seen = MethodType.methodType(result, arguments);
            try {
                return lookup.findVirtual(owner, name, seen.dropParameterTypes(0, 1)).asType(seen);
            } catch (ReflectiveOperationException | NullPointerException e) {
                return null;
            }
        }
    }
}
