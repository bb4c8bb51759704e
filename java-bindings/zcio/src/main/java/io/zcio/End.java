package io.zcio;

import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.NotYetConnectedException;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.LongConsumer;

/**
 * One end of a transfer: a path of the default file system, a channel of the JDK's own, or memory.
 *
 * <p>Only the JDK's own channels have a descriptor that the native code can find, so any other implementation is refused
 * here, by its class, before anything is asked of it.
 *
 * <p>A descriptor's number, or an address, means what it did only for as long as nobody closes what it belongs to. So native
 * code runs under a {@link Hold} of each end. No code of the caller's may run under one: a file channel's {@code close} waits
 * for the holds of its own thread, too.
 */
final class End {
    /** What an end is, and by that how it is held. */
    enum Kind {
        /** The native code opens it, and what it opened is its own. */
        PATH,
        /** The thread is registered with the channel, whose {@code close} waits for it. One of a stream is duplicated as well. */
        FILE {
            @Override
            Hold hold(End end) throws IOException {
                return End.hold((FileChannel) end.given);
            }
        },
        /**
         * A socket's or pipe's descriptor is duplicated, and the duplicate is the native code's own; but see {@link StreamWriter}.
         */
        STREAM,
        /** The session of its memory is acquired. */
        BUFFER {
            @Override
            Hold hold(End end) {
                return BufferSession.hold((ByteBuffer) end.given);
            }

            @Override
            Hold keep(End end) {
                return hold(end);
            }
        },
        /** The addresses are claimed for as long as the owner of the memory is reachable. */
        REGION {
            @Override
            Hold keep(End end) {
                return () -> Reference.reachabilityFence(end.given);
            }
        };

        /** For native code that runs in this thread, until it returns. */
        Hold hold(End end) throws IOException {
            return NONE;
        }

        /**
         * For a native object that has the end, until it is freed: between its calls as well, for the kernel may read memory
         * that it was given by reference.
         */
        Hold keep(End end) {
            return NONE;
        }
    }

    private static final Hold NONE = new Hold() {
        @Override
        public void close() {}
    };

    private static final Class<?> FILE_CHANNEL = jdkClass("sun.nio.ch.FileChannelImpl");
    private static final Class<?> SELECTABLE_CHANNEL = jdkClass("sun.nio.ch.SelChImpl");

    /** What becomes of a path that is written to without being asked for. */
    private static final List<OpenOption> ALWAYS =
            List.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING);

    final Kind kind;
    /** What the caller gave: a {@link Path}, a {@link Channel}, or what owns the memory. */
    final Object given;
    /** Where the memory begins. */
    final long address;
    /** Its length; -1 if this end is no memory. */
    final long length;

    /** What is done when bytes have been moved out, or in; null for nothing. */
    private LongConsumer advance;

    /** What is closed, and asked whether it is open: another object where {@code given} belongs to that one. */
    private final Object owner;

    /** Whether it is a path where nothing may be yet. */
    private boolean isNew;

    private End(Kind kind, Object given) {
        this(kind, given, given);
    }

    private End(Kind kind, Object given, Object owner) {
        this(kind, given, owner, 0, -1, null);
    }

    private End(Kind kind, Object given, Object owner, long address, long length, LongConsumer advance) {
        NativeLibrary.load();
        this.kind = kind;
        this.given = given;
        this.owner = owner;
        this.address = address;
        this.length = length;
        this.advance = advance;
    }

    /** Memory of a region. It must stay where it is for as long as the owner is reachable. */
    static End ofRegion(Object owner, long address, long length) {
        return new End(Kind.REGION, owner, owner, address, length, null);
    }

    /** Memory of a buffer, which the session keeps; {@code advance} puts its position behind what was moved. */
    static End ofBuffer(ByteBuffer buffer, long address, LongConsumer advance) {
        return new End(Kind.BUFFER, buffer, buffer, address, buffer.remaining(), advance);
    }

    /** From now on its position stays, as that of a file does where an offset is given. */
    void leavePosition() {
        advance = null;
    }

    /** Bytes were moved out of this end, or into it, which has no position that the kernel would know. */
    void advance(long moved) {
        if (advance != null) {
            advance.accept(moved);
        }
    }

    static long requireNotNegative(long value, String name) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " is negative: " + value);
        }
        return value;
    }

    static End of(Path path) {
        if (path.getFileSystem().provider() != FileSystems.getDefault().provider()) {
            throw new ProviderMismatchException(
                    path + " is not a path of the default file system: open a channel and copy through a buffer");
        }
        return new End(Kind.PATH, path);
    }

    /**
     * A path to write to.
     *
     * @throws UnsupportedOperationException if one of the options is not what is done anyhow, nor {@code CREATE_NEW}
     */
    static End of(Path path, OpenOption... options) {
        End end = of(path);
        for (OpenOption option : options) {
            if (option == StandardOpenOption.CREATE_NEW) {
                end.isNew = true;
            } else if (!ALWAYS.contains(Objects.requireNonNull(option, "option"))) {
                throw new UnsupportedOperationException(
                        option + " is not for a path that is written to: open a channel with it, and give that");
            }
        }
        return end;
    }

    boolean isNew() {
        return isNew;
    }

    static End of(FileChannel channel) {
        if (channel instanceof ZeroCopyFileChannel ours) {
            return new End(Kind.FILE, of(ours.delegate).given, ours);
        }
        return of(Kind.FILE, channel);
    }

    static End of(SocketChannel channel) {
        return of(Kind.STREAM, channel);
    }

    static End of(Pipe.SourceChannel channel) {
        return of(Kind.STREAM, channel);
    }

    static End of(Pipe.SinkChannel channel) {
        return of(Kind.STREAM, channel);
    }

    private static End of(Kind kind, Channel channel) {
        NativeLibrary.load();
        if (!isJdks(channel)) {
            throw new IllegalArgumentException(
                    channel.getClass().getName() + " is not a channel of the JDK's own and has no descriptor to use");
        }
        if (!hasDescriptor(channel)) {
            throw new IllegalStateException("zcio does not know this Java runtime, and finds no descriptor in a "
                    + channel.getClass().getName() + ": give a path");
        }
        return new End(kind, channel);
    }

    private static boolean isJdks(Channel channel) {
        Class<?> known = channel instanceof FileChannel ? FILE_CHANNEL : SELECTABLE_CHANNEL;
        return known != null && known.isInstance(channel);
    }

    /** Whether there is an end for this channel, and a way to make it. Not before {@link NativeLibrary#load}. */
    static boolean hasDescriptor(Channel channel) {
        if (channel instanceof ZeroCopyFileChannel ours) {
            return hasDescriptor(ours.delegate);
        }
        if (channel instanceof FileChannel) {
            return isJdks(channel) && CloseProtocol.AVAILABLE;
        }
        boolean stream = channel instanceof SocketChannel
                || channel instanceof Pipe.SourceChannel
                || channel instanceof Pipe.SinkChannel;
        return stream && isJdks(channel) && CloseProtocol.STREAMS;
    }

    /** Looked up by name, which is all that is needed here; the package is not exported. Null if there is none. */
    private static Class<?> jdkClass(String name) {
        try {
            return Class.forName(name, false, null);
        } catch (ClassNotFoundException e) {
            return null;
        }
    }

    /** Whether bytes have a way to this end: a socket must be connected. One that was closed is not, either. */
    void requireConnected() throws ClosedChannelException {
        if (given instanceof SocketChannel socket && !socket.isConnected()) {
            if (!socket.isOpen()) {
                throw new ClosedChannelException();
            }
            throw new NotYetConnectedException();
        }
    }

    /** A path is always open. */
    boolean isOpen() {
        boolean inner = !(given instanceof Channel channel) || channel.isOpen();
        return inner && (!(owner instanceof Channel outer) || outer.isOpen());
    }

    /** Whether an interrupt leaves it alone: memory, or a channel that was opened so. */
    boolean outlivesInterrupts() {
        return owner instanceof ZeroCopyFileChannel ours ? ours.outlivesInterrupts() : length >= 0;
    }

    /** Closes a channel; does nothing to a path. */
    void close() throws IOException {
        if (owner instanceof Channel channel) {
            channel.close();
        }
    }

    boolean isChannel() {
        return kind == Kind.FILE || kind == Kind.STREAM;
    }

    /** For a selector a channel must be in non-blocking mode, and a path must not be something that is waited for. */
    void requireSelectable() {
        if (given instanceof SelectableChannel channel && channel.isBlocking()) {
            throw new IllegalBlockingModeException();
        }
        if (given instanceof Path path && Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path)) {
            throw new IllegalArgumentException(
                    path + " is no regular file, and a selector could not wait for it: run it in a thread");
        }
    }

    /** {@link #hold} of each of them. */
    static Hold holdAll(End... ends) throws IOException {
        return all(end -> end.kind.hold(end), ends);
    }

    /** {@link Kind#keep} of each of them. */
    static Hold keepAll(End... ends) throws IOException {
        return all(end -> end.kind.keep(end), ends);
    }

    private static Hold all(Holding holding, End... ends) throws IOException {
        List<Hold> held = new ArrayList<>(ends.length);
        Hold all = () -> {
            for (int i = held.size() - 1; i >= 0; i--) {
                held.get(i).close();
            }
        };
        try {
            for (End end : ends) {
                Hold hold = holding.of(end);
                if (hold != NONE) {
                    held.add(hold);
                }
            }
            return held.isEmpty() ? NONE : all;
        } catch (IOException | RuntimeException | Error e) {
            all.close();
            throw e;
        }
    }

    private interface Holding {
        Hold of(End end) throws IOException;
    }

    /** Keeps this end what it is while native code runs in this thread; see {@link Kind}. */
    Hold hold() throws IOException {
        return kind.hold(this);
    }

    /** {@link #hold} of one of the JDK's own. */
    static Hold hold(FileChannel channel) throws IOException {
        return CloseProtocol.hold(channel);
    }

    /** The number of the descriptor of a channel that is held. */
    static int number(FileChannel channel) throws IOException {
        return CloseProtocol.number(channel);
    }

    /** See {@link End#hold}. */
    @FunctionalInterface
    interface Hold extends AutoCloseable {
        @Override
        void close();
    }
}
