package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
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
import java.nio.channels.FileChannel.MapMode;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CancellationException;

/**
 * One file's way out when its turn has come: opened outside the event loop, then as a region, or in mappings where Netty's
 * transports cannot send one, or read into buffers for a pipeline that must see the bytes, one at a time.
 */
final class FileSend {
    /** What a region on io_uring can reach, because Netty counts there in an {@code int}. */
    private static final long URING_LIMIT = Integer.MAX_VALUE;
    /** The most that is mapped at a time. */
    private static final long MAPPING = 1L << 30;
    /** The most that is read at a time. */
    private static final int BUFFER = 128 << 10;
    /** Where a file opened with {@code DIRECT} can be read from, whatever the disk. */
    private static final long BLOCK = 4096;

    private final ChannelHandlerContext context;
    private final Disk disk;
    private final FilePart part;
    private final ChannelPromise promise;
    private final FileTurns turns;
    private FileChannel file;
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
            disk.run(this::regions, this::write, (regions, failure) -> regions.forEach(ReferenceCountUtil::release));
        }
    }

    private Queue<Object> regions() throws IOException {
        FileChannel opened = part.source.open();
        boolean owned = part.source.owned();
        Queue<Object> regions = new ArrayDeque<>();
        try {
            long region = reach(opened);
            if (region > 0) {
                regions.add(new ZeroCopyFileRegion(opened, part.position(), region, owned));
                // The region closes it, and the mappings live on.
                owned = false;
            }
            long end = part.position() + part.count();
            for (long at = part.position() + region; at < end; at += MAPPING) {
                if (opened.size() < end) {
                    throw new EOFException("the file ends before " + end);
                }
                regions.add(Unpooled.wrappedBuffer(opened.map(MapMode.READ_ONLY, at, Math.min(MAPPING, end - at))));
            }
            return regions;
        } catch (IOException | RuntimeException | Error e) {
            regions.forEach(ReferenceCountUtil::release);
            throw e;
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

    private void write(Queue<Object> regions, Throwable failure) {
        if (failure != null || regions.isEmpty()) {
            over(failure);
            return;
        }
        if (context.isRemoved()) {
            regions.forEach(ReferenceCountUtil::release);
            over(FileTurns.removed(context));
            return;
        }
        if (isSeen()) {
            regions.forEach(ReferenceCountUtil::release);
            open(true);
            return;
        }
        ChannelPromise each = context.newPromise();
        if (promise instanceof ChannelProgressivePromise) {
            ChannelProgressivePromise progressive = context.newProgressivePromise();
            progressive.addListener(new Progress());
            each = progressive;
        }
        Object region = regions.remove();
        long length = region instanceof ByteBuf bytes ? bytes.readableBytes() : ((ZeroCopyFileRegion) region).count();
        each.addListener(future -> disk.inLoop(() -> {
            if (future.isSuccess()) {
                sent(length);
                write(regions, null);
            } else {
                regions.forEach(ReferenceCountUtil::release);
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
        while (bytes.readableBytes() < length) {
            int room = length - bytes.readableBytes();
            if (bytes.writeBytes(file, part.position() + sent + bytes.readableBytes(), room) < 0) {
                throw new EOFException("the file ends after " + (sent + bytes.readableBytes()) + " of " + part.count() + " bytes");
            }
        }
        return null;
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
