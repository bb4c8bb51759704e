package io.zcio;

import java.io.Closeable;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.RandomAccessFile;
import java.net.Socket;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;

/** Ends that have a channel of the JDK's own somewhere, and the word for those that have none. */
final class OtherEnds {
    private OtherEnds() {}

    static End of(Closeable end) {
        if (end instanceof FileChannel channel) {
            return End.of(channel);
        } else if (end instanceof SocketChannel channel) {
            return End.of(channel);
        } else if (end instanceof Pipe.SourceChannel channel) {
            return End.of(channel);
        } else if (end instanceof Pipe.SinkChannel channel) {
            return End.of(channel);
        } else if (end instanceof Socket socket) {
            return ofSocket(socket);
        }
        // A subclass of one of these may do anything with the bytes.
        Class<?> type = end.getClass();
        if (type == FileInputStream.class) {
            return End.of(((FileInputStream) end).getChannel());
        } else if (type == FileOutputStream.class) {
            return End.of(((FileOutputStream) end).getChannel());
        } else if (type == RandomAccessFile.class) {
            return End.of(((RandomAccessFile) end).getChannel());
        }
        throw new IllegalArgumentException(type.getName() + " has no descriptor whose bytes would be its own: give the file or"
                + " socket below it, if nothing of it is buffered, or copy through a buffer");
    }

    private static End ofSocket(Socket socket) {
        SocketChannel channel = socket.getChannel();
        if (channel == null) {
            throw new IllegalArgumentException("a " + socket.getClass().getName() + " that was not made by a channel has no"
                    + " descriptor to use: open a SocketChannel, whose socket() has one");
        }
        // One that is layered over another, as an SSLSocket is, answers with that one's channel, past which nothing may go.
        if (channel.socket() != socket) {
            throw new IllegalArgumentException("a " + socket.getClass().getName() + " may do anything with the bytes before its"
                    + " channel has them: copy through its streams");
        }
        return End.of(channel);
    }
}
