package io.zcio;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.NotYetConnectedException;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * One end of a transfer: a path of the default file system, a channel of the JDK's own, or memory.
 *
 * <p>Only the JDK's own channels have a descriptor that the native code can find, so any other implementation is refused
 * here, by its class, before anything is asked of it.
 */
final class End {
    private static final Class<?> FILE_CHANNEL = jdkClass("sun.nio.ch.FileChannelImpl");
    private static final Class<?> SELECTABLE_CHANNEL = jdkClass("sun.nio.ch.SelChImpl");

    /** What the caller gave: a {@link Path}, a {@link Channel}, or what owns the memory. */
    final Object given;
    /** Where the memory begins. */
    final long address;
    /** Its length; -1 if this end is no memory. */
    final long length;

    private final LongConsumer advance;

    /** What is closed, and asked whether it is open: another object where {@code given} belongs to that one. */
    private final Object owner;

    private End(Object given) {
        this(given, given);
    }

    private End(Object given, Object owner) {
        this(given, owner, 0, -1, moved -> {});
    }

    private End(Object given, Object owner, long address, long length, LongConsumer advance) {
        this.given = given;
        this.owner = owner;
        this.address = address;
        this.length = length;
        this.advance = advance;
    }

    /**
     * Memory, as a source. It must stay where it is for as long as the owner is reachable.
     *
     * @param advance told the number of bytes each time some were moved out of it
     */
    static End ofMemory(Object owner, long address, long length, LongConsumer advance) {
        return new End(owner, owner, address, length, advance);
    }

    static End of(ByteBuffer buffer) {
        if (!buffer.isDirect()) {
            throw new IllegalArgumentException("a buffer on the heap has no address that the kernel could read from, and would"
                    + " be copied first: allocate it with ByteBuffer.allocateDirect, or write it with the channel itself");
        }
        long address = Native.address(buffer) + buffer.position();
        return ofMemory(buffer, address, buffer.remaining(), moved -> buffer.position(buffer.position() + (int) moved));
    }

    /** Bytes were moved out of this end, which has no position that the kernel would know. */
    void advance(long moved) {
        advance.accept(moved);
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
        return new End(path);
    }

    static End of(FileChannel channel) {
        if (channel instanceof ZeroCopyFileChannel ours) {
            return new End(of(ours.delegate).given, ours);
        }
        return of(channel, FILE_CHANNEL);
    }

    static End of(SocketChannel channel) {
        return of(channel, SELECTABLE_CHANNEL);
    }

    static End of(Pipe.SourceChannel channel) {
        return of(channel, SELECTABLE_CHANNEL);
    }

    static End of(Pipe.SinkChannel channel) {
        return of(channel, SELECTABLE_CHANNEL);
    }

    private static End of(Channel channel, Class<?> implementation) {
        if (!implementation.isInstance(channel)) {
            throw new IllegalArgumentException(
                    channel.getClass().getName() + " is not a channel of the JDK's own and has no descriptor to use");
        }
        return new End(channel);
    }

    /** Whether there is an end for this channel, and a way to make it. */
    static boolean hasDescriptor(Channel channel) {
        if (channel instanceof ZeroCopyFileChannel ours) {
            return hasDescriptor(ours.delegate);
        }
        boolean stream = channel instanceof SocketChannel
                || channel instanceof Pipe.SourceChannel
                || channel instanceof Pipe.SinkChannel;
        return FILE_CHANNEL.isInstance(channel) || stream && SELECTABLE_CHANNEL.isInstance(channel);
    }

    /** Looked up by name, which is all that is needed here; the package is not exported. */
    private static Class<?> jdkClass(String name) {
        try {
            return Class.forName(name, false, null);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("zcio does not know this Java runtime: it has no " + name, e);
        }
    }

    /** The path as the operating system writes it, or null if this end is a channel. */
    byte[] path() {
        return given instanceof Path path ? bytesOf(path.toAbsolutePath()) : null;
    }

    private static byte[] bytesOf(Path path) {
        String name = path.toString();
        // In every charset of a locale these are the bytes themselves. (A URI asks the file system whether it is a directory.)
        return isAscii(name) ? name.getBytes(StandardCharsets.US_ASCII) : bytesOf(path.toUri());
    }

    private static boolean isAscii(String name) {
        for (int i = 0; i < name.length(); i++) {
            if (name.charAt(i) >= 128) {
                return false;
            }
        }
        return true;
    }

    /**
     * A file name is bytes; the URI has all of them, percent-encoded, whereas the string has gone through the charset of the
     * locale, in which a name need not be expressible.
     */
    private static byte[] bytesOf(URI uri) {
        String raw = uri.getRawPath();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(raw.length());
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == '%') {
                bytes.write(Integer.parseInt(raw, i + 1, i + 3, 16));
                i += 2;
            } else {
                bytes.write(c);
            }
        }
        return bytes.toByteArray();
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
        return !(owner instanceof Channel channel) || channel.isOpen();
    }

    /** Closes a channel; does nothing to a path. */
    void close() throws IOException {
        if (owner instanceof Channel channel) {
            channel.close();
        }
    }

    boolean isChannel() {
        return given instanceof Channel;
    }

    /** For a selector a channel must be in non-blocking mode, and a path must not be something that is waited for. */
    void requireSelectable() {
        if (given instanceof SelectableChannel channel && channel.isBlocking()) {
            throw new IllegalBlockingModeException();
        }
        if (given instanceof Path path && Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path)) {
            throw new IllegalArgumentException(
                    path + " is no regular file, and a selector could not wait for it: open a channel");
        }
    }

    /** {@link #hold} of each of them. */
    static Hold holdAll(End... ends) throws IOException {
        List<Hold> held = new ArrayList<>(ends.length);
        Hold all = () -> {
            for (int i = held.size() - 1; i >= 0; i--) {
                held.get(i).close();
            }
        };
        try {
            for (End end : ends) {
                if (end.given instanceof FileChannel) {
                    held.add(end.hold());
                }
            }
            return all;
        } catch (IOException | RuntimeException | Error e) {
            all.close();
            throw e;
        }
    }

    /** Keeps a file channel's descriptor open until it is released; other ends need no hold. */
    Hold hold() throws IOException {
        return given instanceof FileChannel channel ? hold(channel) : () -> {};
    }

    /** {@link #hold} of one of the JDK's own. */
    static Hold hold(FileChannel channel) throws IOException {
        if (CloseProtocol.AVAILABLE) {
            return CloseProtocol.hold(channel);
        }
        int entry = Native.enter(channel);
        return () -> Native.leave(channel, entry);
    }

    /** The number of the descriptor of a channel that is held. */
    static int number(FileChannel channel) throws IOException {
        return CloseProtocol.AVAILABLE ? CloseProtocol.number(channel) : Native.number(channel);
    }

    /** See {@link End#hold}. */
    @FunctionalInterface
    interface Hold extends AutoCloseable {
        @Override
        void close();
    }
}
