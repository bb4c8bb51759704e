package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelProgressiveFuture;
import io.netty.channel.ChannelProgressiveFutureListener;
import io.netty.channel.ChannelProgressivePromise;
import io.netty.channel.ChannelPromise;
import io.netty.util.ReferenceCountUtil;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.concurrent.CancellationException;

/**
 * One file's way out when its turn has come: opened outside the event loop, then as a region; or read into buffers, one at a
 * time, for a pipeline that must see the bytes, and where Netty's transports cannot send them. (Not as mappings, which nobody
 * undoes before the next garbage collection: a process may have 65,530.)
 */
final class FileSend {
    /** What a region on io_uring can reach, because Netty counts there in an {@code int}. */
    private static final long URING_LIMIT = Integer.MAX_VALUE;
    /** The most that is read at a time. */
    private static final int BUFFER = 128 << 10;
    /** Where a file opened with {@code DIRECT} can be read from, whatever the disk. */
    private static final int BLOCK = 4096;

    private final ChannelHandlerContext context;
    private final Disk disk;
    private final FilePart part;
    private final ChannelPromise promise;
    private final FileTurns turns;
    private FileChannel file;
    /** Whether it can be read in whole blocks only. */
    private boolean inBlocks;
    /** Bytes that have gone. */
    private long sent;

    FileSend(ChannelHandlerContext context, Disk disk, FilePart part, ChannelPromise promise, FileTurns turns) {
        this.context = context;
        this.disk = disk;
        this.part = part;
        this.promise = promise;
        this.turns = turns;
    }

    void start() {
        if (!promise.setUncancellable()) {
            over(new CancellationException("cancelled when it had been announced"));
        } else if (!WayOut.isUnsettled(context)) {
            open(isSeen());
        } else if (!turns.behind(() -> open(isSeen()))) {
            open(true);
        }
    }

    /** Whether somebody on the way must see the bytes: asked again whenever something could have come into the way meanwhile. */
    private boolean isSeen() {
        return ZeroCopyFiles.obstacle(context).isPresent();
    }

    private void open(boolean seen) {
        if (seen) {
            disk.run(part.source::open, (opened, failure) -> {
                file = opened;
                read(failure);
            }, (opened, failure) -> close(opened));
        } else {
            disk.run(this::region, this::write, (region, failure) -> ReferenceCountUtil.release(region));
        }
    }

    /** What the transport can send out of a descriptor; null if that is nothing. */
    private ZeroCopyFileRegion region() throws IOException {
        FileChannel opened = part.source.open();
        boolean owned = part.source.owned();
        try {
            long length = reach(opened);
            if (length == 0) {
                return null;
            }
            ZeroCopyFileRegion region = new ZeroCopyFileRegion(opened, part.position(), length, owned);
            // The region closes it.
            owned = false;
            return region;
        } finally {
            if (owned) {
                opened.close();
            }
        }
    }

    /** How many of the bytes the transport can send out of a descriptor. */
    private long reach(FileChannel opened) throws IOException {
        boolean uring = context.channel().getClass().getName().startsWith("io.netty.channel.uring.");
        if (!part.source.owned()) {
            long end = part.position() + part.count();
            boolean odd = part.position() % BLOCK != 0 || end % BLOCK != 0;
            // On io_uring the kernel looks at the number of a descriptor some time after Netty did, and a channel of the caller's
            // can be closed and the number be another file's by then.
            if (uring || odd && isDirect(opened)) {
                return 0;
            }
        }
        return uring ? Math.max(0, Math.min(part.count(), URING_LIMIT - part.position())) : part.count();
    }

    /** Opened with {@code ExtendedOpenOption.DIRECT} a channel refuses to read one byte, and says so in no other way. */
    private static boolean isDirect(FileChannel channel) throws IOException {
        if (channel.size() == 0) {
            return false;
        }
        try {
            channel.read(ByteBuffer.allocate(1), 0);
            return false;
        } catch (IOException e) {
            return channel.isOpen();
        }
    }

    private void write(ZeroCopyFileRegion region, Throwable failure) {
        if (failure != null) {
            over(failure);
            return;
        }
        if (region == null) {
            open(true);
            return;
        }
        if (context.isRemoved()) {
            region.release();
            over(FileTurns.removed(context));
            return;
        }
        if (isSeen()) {
            region.release();
            open(true);
            return;
        }
        ChannelPromise each = context.newPromise();
        if (promise instanceof ChannelProgressivePromise) {
            ChannelProgressivePromise progressive = context.newProgressivePromise();
            progressive.addListener(new Progress());
            each = progressive;
        }
        long length = region.count();
        each.addListener(future -> disk.inLoop(() -> {
            if (future.isSuccess()) {
                sent(length);
            }
            if (future.isSuccess() && sent < part.count()) {
                open(true);
            } else {
                over(future.cause());
            }
        }));
        context.write(region, each);
        turns.written(context);
    }

    private final class Progress implements ChannelProgressiveFutureListener {
        @Override
        public void operationProgressed(ChannelProgressiveFuture future, long progress, long total) {
            tell(sent + progress);
        }

        @Override
        public void operationComplete(ChannelProgressiveFuture future) {}
    }

    private void tell(long bytes) {
        if (promise instanceof ChannelProgressivePromise progressive && bytes > 0) {
            progressive.tryProgress(bytes, part.count());
        }
    }

    private void sent(long bytes) {
        sent += bytes;
        tell(sent);
    }

    /** The next buffer. */
    private void read(Throwable failure) {
        if (failure != null || sent == part.count()) {
            close(file);
            over(failure);
            return;
        }
        int length = (int) Math.min(BUFFER, part.count() - sent);
        ByteBuf bytes;
        try {
            bytes = context.alloc().directBuffer(length);
        } catch (OutOfMemoryError e) {
            // No more direct memory for now: this answer ends, and the rest of the process goes on.
            read(e);
            return;
        }
        disk.run(() -> fill(bytes, length), (filled, broken) -> pass(bytes, length, broken), (filled, broken) -> {
            bytes.release();
            close(file);
        });
    }

    private Void fill(ByteBuf bytes, int length) throws IOException {
        if (sent == 0 && !part.source.owned()) {
            inBlocks = isDirect(file);
        }
        while (bytes.readableBytes() < length) {
            long position = part.position() + sent + bytes.readableBytes();
            int room = length - bytes.readableBytes();
            int read = inBlocks ? readBlocks(bytes, position, room) : bytes.writeBytes(file, position, room);
            if (read < 0) {
                throw new EOFException("the file ends after " + (sent + bytes.readableBytes()) + " of " + part.count() + " bytes");
            }
        }
        return null;
    }

    /** Opened with {@code DIRECT} a file has whole blocks only, and for memory that begins like one. */
    private int readBlocks(ByteBuf bytes, long position, int room) throws IOException {
        int odd = (int) (position % BLOCK);
        int length = (odd + room + BLOCK - 1) / BLOCK * BLOCK;
        ByteBuf memory = context.alloc().directBuffer(length + BLOCK);
        try {
            ByteBuffer blocks = memory.nioBuffer(0, length + BLOCK).alignedSlice(BLOCK).limit(length);
            int read = Math.min(file.read(blocks, position - odd) - odd, room);
            if (read <= 0) {
                return -1;
            }
            bytes.writeBytes(blocks.limit(odd + read).position(odd));
            return read;
        } finally {
            memory.release();
        }
    }

    private void pass(ByteBuf bytes, int length, Throwable failure) {
        if (failure != null || context.isRemoved()) {
            bytes.release();
            read(failure == null ? FileTurns.removed(context) : failure);
            return;
        }
        ChannelFuture written = context.write(Messages.of(context).apply(bytes));
        turns.written(context);
        written.addListener(future -> disk.inLoop(() -> {
            if (future.isSuccess()) {
                sent(length);
            }
            read(future.cause());
        }));
    }

    private void close(FileChannel opened) {
        if (opened != null && part.source.owned()) {
            try {
                opened.close();
            } catch (IOException e) {
                // It was open for reading: there is nothing that could be lost.
            }
        }
    }

    private void over(Throwable failure) {
        if (failure == null) {
            promise.trySuccess();
        } else {
            promise.tryFailure(failure);
        }
        turns.over(context, failure);
    }
}
