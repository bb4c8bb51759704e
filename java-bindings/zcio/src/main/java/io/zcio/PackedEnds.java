package io.zcio;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** Ends as the native code gets them: each an object, and numbers. */
final class PackedEnds {
    private PackedEnds() {}

    /** A channel, or else a path, with its bytes as the operating system writes it. */
    static Object object(End end) {
        return end.given instanceof Path path ? new Object[] {path, PathBytes.of(path.toAbsolutePath())} : end.given;
    }

    /** What the native code takes it for: of kinds of memory it knows one. */
    static int kind(End end) {
        return switch (end.kind) {
            case PATH -> end.isNew() ? 9 : 0;
            case FILE -> 1;
            case STREAM -> end.given instanceof SocketChannel ? 2 : 3;
            case BUFFER, REGION -> 4;
        };
    }

    /** The numbers that belong to it. */
    static void pack(End end, Packed to) {
        to.put(kind(end)).put(end.address).put(end.length);
    }

    /** A file that is held, by its number. */
    static void packHeld(int number, Packed to) {
        to.put(5).put(number).put(-1);
    }

    /** A sink that this thread is the one writer of, by its number. */
    static void packWritten(SelectableChannel sink, int number, Packed to) throws IOException {
        boolean unix = sink instanceof SocketChannel socket && !(socket.getRemoteAddress() instanceof InetSocketAddress);
        to.put(!(sink instanceof SocketChannel) ? 8 : unix ? 7 : 6).put(number).put(-1);
    }

    /** The same of a source. A socket whose input the caller has shut has the length 0: nothing is to be read. */
    static void packSource(End end, Packed to) {
        boolean shut = end.given instanceof SocketChannel socket && ChannelLocks.isInputShut(socket);
        to.put(kind(end)).put(end.address).put(shut ? 0 : end.length);
    }
}
