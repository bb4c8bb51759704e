package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.FileDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The only class that knows Netty's epoll transport: splice(2) from its socket into a file. The transport's classes need not
 * be there, as long as nobody asks more of this one than {@link #obstacle}.
 */
final class SpliceUpload {
    private static final int PART = 256 << 10;
    private static final Path DESCRIPTORS = Path.of("/proc/self/fd");
    private static final boolean LISTED = Files.isDirectory(DESCRIPTORS);

    private final FileDescriptor file;

    private SpliceUpload(FileDescriptor file) {
        this.file = file;
    }

    /** Why a channel cannot be spliced from, or null. */
    static String obstacle(Channel channel) {
        if (!channel.getClass().getName().startsWith("io.netty.channel.epoll.")) {
            return "the transport is not epoll but " + channel.getClass().getSimpleName();
        }
        if (!LISTED) {
            return "there is no /proc to find the descriptor of its file by";
        }
        boolean tcp = channel instanceof EpollSocketChannel;
        return tcp ? null : channel.getClass().getSimpleName() + " is no TCP socket";
    }

    /** Opens the file, which is created, or emptied if it exists. */
    static SpliceUpload into(Path path) throws IOException {
        return new SpliceUpload(FileDescriptor.from(path.toFile()));
    }

    /** Leads to the very file that is open, whatever has its name. */
    Path path() {
        return DESCRIPTORS.resolve(Integer.toString(file.intValue()));
    }

    /**
     * Splices so many bytes into the file, from that offset on, and closes the file; unless Netty refuses at once, as where it
     * has no splice any more, which is an exception.
     */
    void start(ChannelHandlerContext context, long offset, long count, ChannelPromise promise) {
        ((EpollSocketChannel) context.channel()).spliceTo(file, (int) offset, (int) count, promise);
        promise.addListener(future -> close());
        context.read();
    }

    void close() throws IOException {
        file.close();
    }

    /** What is still in a socket whose peer has ended the stream, a part at a time; null if there is nothing more. */
    static ByteBuf rest(ChannelHandlerContext context) throws IOException {
        if (!context.channel().isOpen()) {
            // What was done with the part before has closed it, and its descriptor's number may be another connection's by now.
            return null;
        }
        ByteBuf bytes = context.alloc().directBuffer(PART);
        int read = 0;
        try {
            ByteBuffer room = bytes.nioBuffer(0, PART);
            read = ((EpollSocketChannel) context.channel()).fd().read(room, room.position(), room.limit());
        } finally {
            if (read <= 0) {
                bytes.release();
            }
        }
        return read <= 0 ? null : bytes.writerIndex(read);
    }
}
