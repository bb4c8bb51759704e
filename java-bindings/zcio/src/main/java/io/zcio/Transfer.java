package io.zcio;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.util.Objects;

/**
 * Moves bytes from one end to another by the best way the kernel has between them.
 *
 * <pre>{@code
 * Report report = Transfer.from(Path.of("film.mkv")).to(socketChannel).offset(4096).run();
 * }</pre>
 *
 * <p>Without further words a transfer moves everything from the source's position to its end, and writes at the sink's
 * position. A path begins at its first byte; a path to write to is created, or emptied if it exists, once the first byte is there:
 * what is refused changes nothing. Bytes that the receiver has not read yet may be the source's own pages: see {@link Visibility}.
 *
 * <p>A transfer is described and run by one thread. While it runs, its channels are best left alone: other bytes would mix
 * with its own, and a write to a socket in blocking mode may wait for its end. Locks ({@link java.nio.channels.FileLock}) on a
 * file channel stay; those on a file that is given as a path do not, as with any channel that is opened and closed beside them.
 *
 * <p>Interrupt and close are as for every {@link Operation}. A virtual thread that waits for an end is parked and does not hold its
 * carrier; a socket that it used stays in non-blocking mode for the operating system, whatever {@link SocketChannel#isBlocking} says,
 * as after the JDK's own operations on virtual threads.
 */
public final class Transfer extends Operation<Report, Transfer> {
    private final End source;
    private final End sink;
    private final TransferOptions options = new TransferOptions();

    private Transfer(End source, End sink) {
        this.source = source;
        this.sink = sink;
    }

    /** Where bytes come from; the first half of a {@link Transfer}. */
    public static final class Source {
        private final End end;

        private Source(End end) {
            this.end = end;
        }

        @Override
        public String toString() {
            return "from " + EndNames.of(end);
        }

        /**
         * To a file, which is created, or emptied if it exists.
         *
         * @param path a path of the default file system
         * @return the transfer
         * @throws ProviderMismatchException if it is a path of another file system
         */
        public Transfer to(Path path) {
            return new Transfer(end, End.of(path));
        }

        /**
         * To a file, as {@link #to(Path)} does, with options.
         *
         * @param path    a path of the default file system
         * @param options {@code CREATE_NEW}: nothing may be there, not even a symbolic link that leads nowhere, or the transfer throws
         *                {@link java.nio.file.FileAlreadyExistsException}; {@code WRITE}, {@code CREATE}, {@code TRUNCATE_EXISTING}: always
         * @return the transfer
         * @throws ProviderMismatchException     if it is a path of another file system
         * @throws UnsupportedOperationException if it is another option: open a channel with that
         */
        public Transfer to(Path path, OpenOption... options) {
            return new Transfer(end, End.of(path, options));
        }

        /**
         * To an open file, at its position, or at its end if it was opened to append. The position advances.
         *
         * @param channel a channel open for writing
         * @return the transfer
         * @throws IllegalArgumentException if the channel is not one of the JDK's own
         */
        public Transfer to(FileChannel channel) {
            return new Transfer(end, End.of(channel));
        }

        /**
         * To a socket.
         *
         * @param channel a connected channel, TCP or UNIX domain
         * @return the transfer
         * @throws IllegalArgumentException if the channel is not one of the JDK's own
         */
        public Transfer to(SocketChannel channel) {
            return new Transfer(end, End.of(channel));
        }

        /**
         * To a pipe.
         *
         * @param channel the writing end
         * @return the transfer
         * @throws IllegalArgumentException if the channel is not one of the JDK's own
         */
        public Transfer to(Pipe.SinkChannel channel) {
            return new Transfer(end, End.of(channel));
        }

        /**
         * To a direct buffer: the room from position to limit, as it is now. It bounds the count, and what the source has beyond
         * it stays there; a source that ends before is no error, see {@link Report#isShort}. The position advances by the bytes
         * that have arrived, after an exception as well. The room is the transfer's until it is over.
         *
         * <p>Memory of an arena is in use for as long as that of a {@linkplain Transfer#from(ByteBuffer) source} is.
         *
         * @param buffer a direct buffer: of {@link ByteBuffer#allocateDirect}, of an arena, of a region
         * @return the transfer, which can be run once
         * @throws IllegalArgumentException         if the buffer is on the heap, where the kernel could not write to it
         * @throws java.nio.ReadOnlyBufferException if the buffer may not be written
         */
        public Transfer to(ByteBuffer buffer) {
            return new Transfer(end, BufferEnds.sink(buffer));
        }

        /**
         * To part of a region, which bounds the count as {@linkplain #to(ByteBuffer) a buffer's room} does. A region that is closed
         * meanwhile ends the transfer with a {@link TransferException} that counts the bytes that have arrived; closing it does
         * not wait for the transfer.
         *
         * <p>A region that {@linkplain MappedRegion#receiving receives} is filled by {@link Mechanism#ZEROCOPY_RECEIVE}, which must
         * be named, and by nothing else.
         *
         * @param region the sink
         * @param offset where in it to begin, in bytes
         * @param size   how many bytes there is room for
         * @return the transfer
         * @throws IndexOutOfBoundsException        if the range does not lie in the region
         * @throws java.nio.ReadOnlyBufferException if the region may not be written, and does not receive
         * @throws IllegalStateException            if the region is closed
         */
        public Transfer to(MappedRegion region, long offset, long size) {
            return new Transfer(end, region.pages(offset, size).sink(offset, size));
        }

        /**
         * To something else that has a channel: a {@code FileOutputStream}, {@code RandomAccessFile}, or {@code Socket}.
         *
         * @param sink what has one, or is one
         * @return the transfer
         * @throws IllegalArgumentException if it has none of the JDK's own, with the reason and what to do
         */
        public Transfer to(Closeable sink) {
            return new Transfer(end, OtherEnds.of(sink));
        }
    }

    /**
     * From a file, which is opened when the transfer runs.
     *
     * @param path a path of the default file system
     * @return the first half of a transfer
     * @throws ProviderMismatchException if it is a path of another file system
     */
    public static Source from(Path path) {
        return new Source(End.of(path));
    }

    /**
     * From an open file, from its position on. The position advances by the bytes delivered, unless an
     * {@linkplain #offset offset} is given.
     *
     * @param channel a channel open for reading
     * @return the first half of a transfer
     * @throws IllegalArgumentException if the channel is not one of the JDK's own
     */
    public static Source from(FileChannel channel) {
        return new Source(End.of(channel));
    }

    /**
     * From a socket, until its peer ends the stream.
     *
     * @param channel a connected channel, TCP or UNIX domain
     * @return the first half of a transfer
     * @throws IllegalArgumentException if the channel is not one of the JDK's own
     */
    public static Source from(SocketChannel channel) {
        return new Source(End.of(channel));
    }

    /**
     * From a pipe, until its writing end is closed.
     *
     * @param channel the reading end
     * @return the first half of a transfer
     * @throws IllegalArgumentException if the channel is not one of the JDK's own
     */
    public static Source from(Pipe.SourceChannel channel) {
        return new Source(End.of(channel));
    }

    /**
     * From something else that has a channel: a {@code FileInputStream}, {@code RandomAccessFile}, or {@code Socket}.
     *
     * @param source what has one, or is one
     * @return the first half of a transfer
     * @throws IllegalArgumentException if it has none of the JDK's own, with the reason and what to do
     */
    public static Source from(Closeable source) {
        return new Source(OtherEnds.of(source));
    }

    /**
     * From a direct buffer: its bytes from position to limit, as they are now. Its position advances by the bytes moved. They
     * must not be changed while the transfer runs; after it they may be, whatever the {@link Visibility}.
     *
     * <p>Memory of an arena is in use from the beginning of {@link #run} to its end, and from {@link #start} until the stepper
     * is closed, because the kernel may read it between two steps: {@code Arena.close()} throws meanwhile, as under NIO. A
     * transfer from an arena that is closed, or confined to another thread, throws what the JDK does
     * ({@link IllegalStateException}, {@code WrongThreadException}) before anything has moved.
     *
     * @param buffer a direct buffer
     * @return the first half of a transfer, which can be run once
     * @throws IllegalArgumentException if the buffer is on the heap, where the kernel could not read it without a copy
     */
    public static Source from(ByteBuffer buffer) {
        return new Source(BufferEnds.source(buffer));
    }

    /**
     * From part of a region. Bytes that change meanwhile may go either way. A region that is closed meanwhile ends the
     * transfer with a {@link TransferException} that counts the bytes sent; closing it does not wait for the transfer, and
     * the receiver gets bytes of the region only, never zeroes in their place.
     *
     * @param region the source
     * @param offset where in it to begin, in bytes
     * @param size   how many bytes
     * @return what is to be given a sink
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public static Source from(MappedRegion region, long offset, long size) {
        return new Source(region.pages(offset, size).end(offset, size));
    }

    /**
     * Starts at this byte of the source file and leaves the channel's position alone. In a buffer it counts from the position,
     * which stays as well.
     *
     * @param offset in bytes
     * @return this transfer
     * @throws IllegalArgumentException if it is negative
     */
    public Transfer offset(long offset) {
        options.offset = End.requireNotNegative(offset, "offset");
        source.leavePosition();
        return this;
    }

    /**
     * Writes from this byte of the sink file on and leaves the channel's position alone. In a buffer it counts from the position,
     * which stays as well.
     *
     * @param sinkOffset in bytes
     * @return this transfer
     * @throws IllegalArgumentException if it is negative
     */
    public Transfer sinkOffset(long sinkOffset) {
        options.sinkOffset = End.requireNotNegative(sinkOffset, "sinkOffset");
        sink.leavePosition();
        return this;
    }

    /**
     * Moves at most this many bytes. A source that ends before is no error: see {@link Report#isShort}.
     *
     * @param count in bytes
     * @return this transfer
     * @throws IllegalArgumentException if it is negative
     */
    public Transfer count(long count) {
        options.count = End.requireNotNegative(count, "count");
        return this;
    }

    /**
     * Uses this mechanism and no other: it works, or the transfer fails with the reason.
     *
     * @param mechanism the mechanism
     * @return this transfer
     */
    public Transfer mechanism(Mechanism mechanism) {
        options.mechanism = Objects.requireNonNull(mechanism, "mechanism");
        return this;
    }

    /**
     * Whether later changes to the source may show in flight; {@link Visibility#ALIASED} unless said otherwise.
     *
     * @param visibility the visibility
     * @return this transfer
     */
    public Transfer visibility(Visibility visibility) {
        options.visibility = Objects.requireNonNull(visibility, "visibility");
        return this;
    }

    /**
     * What becomes of the page cache meanwhile; {@link CachePolicy#NONE} unless said otherwise.
     *
     * @param policy the policy
     * @return this transfer
     */
    public Transfer cache(CachePolicy policy) {
        options.cache = Objects.requireNonNull(policy, "policy");
        return this;
    }

    /**
     * Runs to the end, waiting for its ends as needed. It may be run again, and then begins anew.
     *
     * @return what happened
     * @throws IllegalArgumentException      if the request makes no sense between these ends: an offset for a socket, ranges
     *                                       of one file that overlap
     * @throws UnsupportedOperationException if the named mechanism cannot serve these ends
     * @throws java.nio.channels.NonReadableChannelException if the source was not opened for reading
     * @throws java.nio.channels.NonWritableChannelException if the sink was not opened for writing
     * @throws java.nio.channels.NotYetConnectedException if a socket is not connected
     * @throws java.nio.file.FileSystemException        or one of its subclasses, if a path cannot be opened
     * @throws java.nio.channels.ClosedChannelException if a channel is closed
     * @throws java.nio.channels.AsynchronousCloseException if another thread closed a channel while bytes were moved
     * @throws ClosedByInterruptException    if this thread was interrupted; the channels are closed
     * @throws TransferCancelledException    if it was stopped by its {@link #cancelledBy token}
     * @throws TransferException             for everything else, and whenever bytes had been moved before it
     * @throws IOException                   if there is no descriptor left for the transfer
     */
    @Override
    public Report run() throws IOException {
        return run(token);
    }

    @Override
    public String toString() {
        return "Transfer from " + EndNames.of(source) + range(options.offset, options.count) + " to "
                + EndNames.of(sink) + range(options.sinkOffset, -1);
    }

    @Override
    Report run(CancelToken token) throws IOException {
        return new TransferRun(source, sink, options, progress, token).run();
    }

    /**
     * Begins a transfer that is moved on step by step, for an event loop.
     *
     * @return the stepper, at the byte where the transfer begins
     * @throws java.nio.channels.IllegalBlockingModeException if a channel is in blocking mode
     * @throws IllegalArgumentException     if a path or file channel is something that would have to be waited for, as a FIFO
     * @throws IOException                  as {@link #run}
     */
    public Stepper<Report> start() throws IOException {
        Stepper.requireSelectable(source, sink);
        return new TransferRun(source, sink, options, progress, token).open(Stepper.IN_SELECTOR);
    }
}
