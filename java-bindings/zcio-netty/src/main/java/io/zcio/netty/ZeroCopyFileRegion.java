package io.zcio.netty;

import io.netty.channel.DefaultFileRegion;
import io.netty.util.IllegalReferenceCountException;
import io.zcio.ZeroCopyFileChannel;
import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;

/**
 * A part of a file that goes out without passing through user space, whichever transport sends it.
 *
 * <p>Netty's epoll and io_uring transports take the descriptor out of a {@link DefaultFileRegion} themselves, by the offset of
 * a field of the JDK's own file channel; so that is the channel this region has, and any other is refused. (A subclass of
 * {@link FileChannel} would give them a number that is no descriptor.) The NIO transport calls {@link #transferTo}, which
 * goes by {@link ZeroCopyFileChannel}.
 *
 * <p>The file must have all of the bytes: a region that turns out to be shorter, because the file was truncated, fails
 * instead of waiting for ever. A region does not know what handlers it passes on its way, and one that transforms bytes
 * does not see it: {@link ZeroCopyFiles#write} looks, and also serves io_uring beyond the 2 GiB where Netty's own code
 * counts in an {@code int}.
 */
public final class ZeroCopyFileRegion extends DefaultFileRegion {
    private final FileChannel channel;
    private final ZeroCopyFileChannel file;
    private final boolean owned;
    /** Bytes sent by {@link #transferTo}; the native transports count in the superclass. */
    private long sent;

    /**
     * A part of a file, which is opened now and closed when the region is released.
     *
     * @param path     the file
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @throws IOException if the file cannot be opened
     */
    public ZeroCopyFileRegion(Path path, long position, long count) throws IOException {
        this(FileChannel.open(path), position, count, true);
    }

    /**
     * A part of an open file. The channel belongs to the region from now on, which closes it when it is released, and if there
     * is no region because of an exception.
     *
     * @param channel  one of the JDK's own, open for reading
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @throws IllegalArgumentException if the channel is not one of the JDK's own, or a number is negative
     * @throws IOException              if the channel is closed
     */
    public ZeroCopyFileRegion(FileChannel channel, long position, long count) throws IOException {
        this(notOurs(channel), position, count, true);
    }

    /** {@code owned}: whether the channel is closed with the region. */
    ZeroCopyFileRegion(FileChannel channel, long position, long count, boolean owned) throws IOException {
        this(channel, wrapped(channel, position, count, owned), position, count, owned);
    }

    private ZeroCopyFileRegion(
            FileChannel channel, ZeroCopyFileChannel file, long position, long count, boolean owned) {
        super(channel, position, count);
        this.channel = channel;
        this.file = file;
        this.owned = owned;
    }

    private static FileChannel notOurs(FileChannel channel) {
        if (channel instanceof ZeroCopyFileChannel) {
            throw new IllegalArgumentException("a region makes its own ZeroCopyFileChannel: give it the JDK's");
        }
        return channel;
    }

    /** Everything that can be wrong, before there is an object that could be left half made. */
    private static ZeroCopyFileChannel wrapped(FileChannel channel, long position, long count, boolean owned)
            throws IOException {
        try {
            FilePart.requireNotNegative(position, count);
            return channel instanceof ZeroCopyFileChannel ours ? ours : ZeroCopyFileChannel.of(channel);
        } catch (IOException | RuntimeException | Error e) {
            if (owned) {
                channel.close();
            }
            throw e;
        }
    }

    @Override
    protected void deallocate() {
        if (owned) {
            super.deallocate();
        }
    }

    /**
     * Before each use of the descriptor by Netty's own transports, which find out too late that there is none.
     *
     * @throws ClosedChannelException if the channel is closed
     */
    @Override
    public void open() throws IOException {
        if (!channel.isOpen()) {
            throw new ClosedChannelException();
        }
    }

    @Override
    public long transferred() {
        return super.transferred() + sent;
    }

    /**
     * {@inheritDoc}
     *
     * @deprecated use {@link #transferred()}
     */
    @Deprecated
    @Override
    public long transfered() {
        return transferred();
    }

    /**
     * Sends what the target takes, and counts it.
     *
     * @param target   where to
     * @param position how many bytes of the region to leave out
     * @return how many were sent; 0 if a target in non-blocking mode takes nothing now
     * @throws EOFException if the file has become shorter than the region
     */
    @Override
    public long transferTo(WritableByteChannel target, long position) throws IOException {
        long rest = count() - position;
        if (position < 0 || rest < 0) {
            throw new IllegalArgumentException("position " + position + " is not within " + count() + " bytes");
        }
        if (refCnt() == 0) {
            throw new IllegalReferenceCountException(0);
        }
        if (rest == 0) {
            return 0;
        }
        long moved = file.transferTo(position() + position, rest, target);
        sent += moved;
        if (moved == 0 && channel.size() < position() + count()) {
            throw new EOFException("the file has " + channel.size() + " bytes, and " + count() + " from " + position()
                    + " on were to be sent");
        }
        return moved;
    }
}
