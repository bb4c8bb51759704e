package io.zcio;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * A {@link FileChannel} whose transfers take the kernel's best way: what {@code FileChannel.open} gives, and faster.
 *
 * <pre>{@code
 * try (FileChannel file = ZeroCopyFileChannel.open(path)) {
 *     file.transferTo(0, file.size(), socketChannel);
 * }
 * }</pre>
 *
 * <p>Everything the specification of {@link FileChannel} says holds: reading, writing, positions, {@link #map}, locks and
 * {@link #force} are the JDK's own. {@link #transferTo transferTo} to and {@link #transferFrom transferFrom} from sockets
 * (TCP and UNIX domain), pipes and files go by the mechanism that a {@link Transfer} would choose; every other channel is
 * served through a direct buffer of 256 KiB. Beyond the specification:
 * <ul>
 *   <li>nobody else's write lands inside a transfer, whatever the version of the JDK: it comes before or after;</li>
 *   <li>a channel in blocking mode gets everything in one call, however much it is, in a virtual thread too;</li>
 *   <li>closing either channel, or interrupting the thread, ends a transfer that waits;</li>
 *   <li>bytes that were taken out of a socket or pipe and cannot be written come back in a {@link TransferException}, even
 *       if others had been written before; any other failure after the first byte shows in the next call, as in NIO.</li>
 * </ul>
 *
 * <p>A channel of this class is an end for a {@link Transfer} as well, which lets the caller choose mechanism and
 * visibility and tells what happened. To NIO it is a channel of somebody else's: {@code FileChannel.transferTo} of the
 * JDK's own file channel with one of these as its target goes through a small buffer; call it the other way round. Netty's
 * native transports take its descriptor out of a {@code DefaultFileRegion} as they do the JDK's.
 */
public class ZeroCopyFileChannel extends DelegatingFileChannel {
    private final boolean readable;
    private final boolean writable;
    private final boolean append;
    /** The JDK's set of threads inside the channel; null where it cannot be had or is no channel of the JDK's own. */
    private final Object threads;
    private volatile CachePolicy cache = CachePolicy.NONE;
    /** See {@link InterruptOption}. */
    private boolean outlivesInterrupts;

    /** See {@link JdkGeneration#channel}. */
    ZeroCopyFileChannel(FileChannel delegate, boolean readable, boolean writable, boolean append) {
        super(delegate);
        this.readable = readable;
        this.writable = writable;
        this.append = append;
        threads = CloseProtocol.AVAILABLE && End.hasDescriptor(delegate) ? CloseProtocol.threads(delegate) : null;
    }

    /** Before anybody else knows this channel, whose delegate has been told. */
    void outliveInterrupts() {
        outlivesInterrupts = true;
    }

    boolean outlivesInterrupts() {
        return outlivesInterrupts;
    }

    /**
     * Opens or creates a file, as {@link FileChannel#open(Path, Set, FileAttribute...)} does, and gives a channel of this class; or
     * the JDK's own, and a line in the log, where zcio is {@linkplain Zcio#isAvailable not available} or does not know how this
     * Java runtime lays out its channels, which Netty's native transports rely on.
     *
     * @param path       the file
     * @param options    how to open it: {@link StandardOpenOption}, {@code LinkOption.NOFOLLOW_LINKS},
     *                   {@code com.sun.nio.file.ExtendedOpenOption.DIRECT}, {@link InterruptOption}, …
     * @param attributes of a file that is created
     * @return a new channel
     * @throws IllegalArgumentException      if the options contradict each other
     * @throws UnsupportedOperationException if an option or attribute is not supported
     * @throws IOException                   if the file cannot be opened, as there
     */
    public static FileChannel open(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        return ChannelOpening.open(path, options, attributes);
    }

    /**
     * Opens or creates a file, as {@link FileChannel#open(Path, OpenOption...)} does, and gives a channel as the other
     * {@link #open(Path, Set, FileAttribute...) open}.
     *
     * @param path    the file
     * @param options how to open it; for reading if there are none
     * @return a new channel
     * @throws IllegalArgumentException      if the options contradict each other
     * @throws UnsupportedOperationException if an option is not supported
     * @throws IOException                   if the file cannot be opened, as there
     */
    public static FileChannel open(Path path, OpenOption... options) throws IOException {
        return open(path, new HashSet<>(Arrays.asList(options)), new FileAttribute<?>[0]);
    }

    /**
     * A channel around one that is open already, of a {@code RandomAccessFile} for instance, which from now on belongs to the
     * new one: leave its position and its closing to that.
     *
     * @param channel one of the JDK's own; it stays the caller's if this fails
     * @return a new channel
     * @throws IllegalArgumentException if the channel is not one of the JDK's own
     * @throws UnsatisfiedLinkError     if zcio is {@linkplain Zcio#unavailabilityCause not available}
     * @throws IOException              if it is closed
     */
    public static ZeroCopyFileChannel of(FileChannel channel) throws IOException {
        NativeLibrary.load();
        if (channel instanceof ZeroCopyFileChannel || !End.hasDescriptor(channel)) {
            throw new IllegalArgumentException(channel.getClass().getName() + " is not a channel of the JDK's own");
        }
        try (End.Hold held = End.hold(channel)) {
            int flags = NativeChannel.flags(channel);
            int access = flags & NativeChannel.ACCESS;
            boolean append = (flags & NativeChannel.APPEND) != 0;
            return JdkGeneration.current().channel(
                    channel, access != NativeChannel.WRITE_ONLY, access != NativeChannel.READ_ONLY, append);
        }
    }

    /**
     * The JDK's own channel, around which this one is: for what asks for its class. It belongs to this one, which closes it.
     *
     * @return that channel
     */
    public FileChannel jdkChannel() {
        return delegate;
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) throws IOException {
        requireOpen(target);
        if (!readable) {
            throw new NonReadableChannelException();
        }
        if (target instanceof ZeroCopyFileChannel file && !file.writable) {
            throw new NonWritableChannelException();
        }
        requireRange(position, count);
        try {
            long moved = ChannelLocks.whileWriting(target, () -> transferToAlone(position, count, target));
            // Outside of the lock, which a transfer the other way holds while it wants that of the size.
            long most = moved == BufferedCopy.NEEDED ? BufferedCopy.untilEnd(this, position, count) : 0;
            return moved != BufferedCopy.NEEDED
                    ? moved
                    : ChannelLocks.whileWriting(target, () -> BufferedCopy.transferTo(this, position, most, target));
        } catch (ClosedChannelException e) {
            throw stopped(e, target);
        }
    }

    private long transferToAlone(long position, long count, WritableByteChannel target) throws IOException {
        long moved = ~0L;
        if (threads != null && cache.isNone() && SmallTransfer.serves(target, count)) {
            moved = SmallTransfer.send(this, threads, position, count, target);
        }
        return moved >= 0 ? moved : goOn(~moved, position, count, target);
    }

    /** After so many bytes. */
    private long goOn(long moved, long position, long count, WritableByteChannel target) throws IOException {
        try {
            long more = transferToAny(position + moved, count - moved, target);
            return more != BufferedCopy.NEEDED || moved == 0 ? moved + more : moved;
        } catch (TransferException e) {
            if (moved == 0) {
                throw e;
            }
            return moved;
        } catch (ClosedChannelException e) {
            if (moved == 0) {
                throw e;
            }
            long more = e.getCause() instanceof TransferException failure ? failure.moved() : 0;
            TransferException counted = new TransferException("a channel was closed", moved + more, 0, new byte[0], null);
            throw Watch.withCause(new AsynchronousCloseException(), counted);
        }
    }

    private long transferToAny(long position, long count, WritableByteChannel target) throws IOException {
        if (!End.hasDescriptor(delegate) || !End.hasDescriptor(target)) {
            return BufferedCopy.transferTo(this, position, BufferedCopy.untilEnd(this, position, count), target);
        }
        try {
            Transfer.Source source = Transfer.from(this);
            Transfer transfer = target instanceof FileChannel file
                    ? source.to(file)
                    : target instanceof SocketChannel socket ? source.to(socket) : source.to((Pipe.SinkChannel) target);
            return move(transfer.offset(position).count(count), target);
        } catch (TransferException e) {
            return movedBefore(e);
        } catch (IllegalArgumentException e) {
            return BufferedCopy.NEEDED;
        }
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) throws IOException {
        requireOpen(source);
        if (source instanceof ZeroCopyFileChannel file && !file.readable) {
            throw new NonReadableChannelException();
        }
        if (!writable) {
            throw new NonWritableChannelException();
        }
        requireRange(position, count);
        try {
            if (position > size() && !BeyondEnd.grows(delegate, position)) {
                return 0;
            }
            long moved = ChannelLocks.whileReading(source, () -> transferFromAny(source, position, count));
            if (moved != BufferedCopy.NEEDED) {
                return moved;
            }
            long most = source instanceof FileChannel file ? BufferedCopy.untilEnd(file, file.position(), count) : count;
            return ChannelLocks.whileReading(source, () -> BufferedCopy.transferFrom(source, this, position, most));
        } catch (ClosedChannelException e) {
            throw stopped(e, source);
        }
    }

    private long transferFromAny(ReadableByteChannel source, long position, long count) throws IOException {
        if (!End.hasDescriptor(delegate) || !End.hasDescriptor(source)) {
            return BufferedCopy.transferFrom(source, this, position, count);
        }
        try {
            Transfer.Source from = source instanceof FileChannel file
                    ? Transfer.from(file)
                    : source instanceof SocketChannel socket
                            ? Transfer.from(socket)
                            : Transfer.from((Pipe.SourceChannel) source);
            Transfer transfer = from.to(this).count(count);
            return move(append ? transfer : transfer.sinkOffset(position), source);
        } catch (TransferException e) {
            return movedBefore(e);
        } catch (IllegalArgumentException e) {
            return BufferedCopy.NEEDED;
        }
    }

    /** Runs to the end; or, with a channel in non-blocking mode, moves what can be moved now. */
    private long move(Transfer transfer, Channel other) throws IOException {
        transfer.cache(cache);
        if (!(other instanceof SelectableChannel channel) || channel.isBlocking()) {
            return transfer.run().bytes();
        }
        try (Stepper<Report> stepper = transfer.start()) {
            try {
                return stepper.moveWhatFits();
            } catch (IOException e) {
                throw stepper.failed(e);
            }
        }
    }

    /**
     * Makes a range of this file share the blocks of a range of another, which takes no time and no room whatever the
     * length; the first write to either separates them. No position changes.
     *
     * @param source   a channel of a file on the same file system
     * @param offset   where the range begins in the source, in bytes
     * @param position where it begins in this file, in bytes
     * @param count    its length in bytes; what lies behind the end of the source is left out
     * @return what happened
     * @throws TransferException             if the file system cannot do it (ext4 and tmpfs cannot; XFS and btrfs can)
     * @throws UnsupportedOperationException if this channel appends, or either was opened with {@code DIRECT}
     * @throws IOException                   as {@link Transfer#run}
     */
    public Report cloneFrom(FileChannel source, long offset, long position, long count) throws IOException {
        requireRange(position, count);
        requireOpen();
        return Transfer.from(source)
                .to(this)
                .offset(offset)
                .sinkOffset(position)
                .count(count)
                .mechanism(Mechanism.REFLINK)
                .run();
    }

    /**
     * How much of a range is in the page cache, so that reading it need not wait for a disk. The answer is of this moment.
     *
     * @param position where the range begins, in bytes
     * @param count    its length in bytes
     * @return the pages that are there, and how many there could be
     * @throws java.nio.file.AccessDeniedException if the kernel keeps it to itself: the file is not this user's, nor open for
     *                                             writing
     * @throws IOException                         if another error occurs
     */
    public FileResidency residency(long position, long count) throws IOException {
        requireRange(position, count);
        requireOpen();
        return FileResidency.of(this, position, count);
    }

    /**
     * Reads a range into the page cache, in a thread of zcio's own, and says when it is there: for a caller who must not wait
     * for a disk, and wants to send it then. The kernel may drop pages again at any time.
     *
     * @param position where the range begins, in bytes
     * @param count    its length in bytes
     * @return how many bytes are there, fewer if the file ends before; fails as reading does, also when this channel is closed
     * @throws IOException if this channel is closed, or there is no thread to be had
     */
    public CompletableFuture<Long> load(long position, long count) throws IOException {
        prefetch(position, count);
        return Threads.aside(() -> BufferedCopy.read(delegate, position, count));
    }

    /**
     * Begins to read a range into the page cache and does not wait for it ({@code readahead(2)}); see {@link #load}.
     *
     * @param position where the range begins, in bytes
     * @param count    its length in bytes
     * @throws IOException if an error occurs
     */
    public void prefetch(long position, long count) throws IOException {
        requireRange(position, count);
        insideDelegate(() -> {
            NativeChannel.prefetch(delegate, position, count);
            return null;
        });
    }

    /**
     * Writes a range out, waits for that, and drops it from the page cache ({@code sync_file_range(2)};
     * {@code posix_fadvise(2)}, {@code DONTNEED}). Pages that somebody has mapped or still sends stay. No substitute for
     * {@link #force}, which writes the file's metadata too.
     *
     * @param position where the range begins, in bytes
     * @param count    its length in bytes
     * @throws IOException if an error occurs, that of the disk included
     */
    public void evict(long position, long count) throws IOException {
        requireRange(position, count);
        insideDelegate(() -> {
            NativeChannel.evict(delegate, position, count);
            return null;
        });
    }

    /**
     * What becomes of the page cache in every {@link #transferTo transferTo} and {@link #transferFrom transferFrom} of this
     * channel that begins from now on; nothing unless it is said. The file at the other end is treated alike. Reading and writing
     * are left alone, and so are transfers with a channel of somebody else's, which go through a buffer.
     *
     * @param policy what is to become of it
     * @return this channel
     */
    public ZeroCopyFileChannel cachePolicy(CachePolicy policy) {
        cache = Objects.requireNonNull(policy, "policy");
        return this;
    }

    /**
     * What becomes of the page cache in transfers.
     *
     * @return the policy, {@link CachePolicy#NONE} unless another was set
     */
    public CachePolicy cachePolicy() {
        return cache;
    }

    /**
     * Maps part of this file as a region that can be closed, and may be larger than a buffer. It outlives this channel, whose
     * locks it leaves alone. Other than {@link #map} it never makes the file longer.
     *
     * @param mode   read-only, read-write or private
     * @param offset where in the file to begin, in bytes; need not be aligned
     * @param size   in bytes
     * @return a new region, which belongs to the caller
     * @throws UnsupportedOperationException if it is another mode, or the channel's file has no descriptor
     * @throws IllegalArgumentException      if the range does not lie in the file
     * @throws NonReadableChannelException   if this channel was not opened for reading
     * @throws NonWritableChannelException   if the mode is read-write and this channel was not opened for writing
     * @throws ClosedChannelException        if this channel is closed
     * @throws IOException                   if the file cannot be mapped
     * @see MappedRegion#map(FileChannel, MapMode, long, long, Room)
     */
    public MappedRegion mapRegion(MapMode mode, long offset, long size) throws IOException {
        requireDescriptor();
        return MappedRegion.map(delegate, mode, offset, size);
    }

    private <T> T insideDelegate(Threads.Work<T> call) throws IOException {
        requireDescriptor();
        try (End.Hold held = End.hold(delegate)) {
            return call.run();
        }
    }

    private void requireDescriptor() throws IOException {
        requireOpen();
        if (!End.hasDescriptor(delegate)) {
            throw new UnsupportedOperationException(delegate.getClass().getName() + " has no descriptor");
        }
    }

    /** A call that may wait, and that an interrupt ends by closing this channel. */
    @FunctionalInterface
    interface Waiting {
        long run() throws IOException;
    }

    long interruptibly(Waiting call) throws IOException {
        if (outlivesInterrupts) {
            return call.run();
        }
        boolean completed = false;
        begin();
        try {
            long result = call.run();
            completed = true;
            return result;
        } finally {
            end(completed);
        }
    }

    private void requireOpen(Channel other) throws IOException {
        requireOpen();
        if (!other.isOpen()) {
            throw new ClosedChannelException();
        }
    }

    /** Open, and the channel that this one was made around too; if that was closed elsewhere, this one is closed now. */
    private void requireOpen() throws IOException {
        if (!isOpen() || !delegate.isOpen()) {
            throw following(new ClosedChannelException());
        }
    }

    private static void requireRange(long position, long count) {
        if (position < 0 || count < 0) {
            throw new IllegalArgumentException("negative: " + Math.min(position, count));
        }
    }

    /** What NIO gives back after a failure: the bytes that had been moved; unless some would be lost by that. */
    private static long movedBefore(TransferException failure) throws TransferException {
        if (failure.moved() == 0 || failure.undelivered().length > 0) {
            throw failure;
        }
        return failure.moved();
    }

    /** As NIO: both channels were open when the transfer began, and an interrupt closes those that it can. */
    private ClosedChannelException stopped(ClosedChannelException failure, Channel other) {
        List<Channel> interruptible = new ArrayList<>(List.of(this, other));
        interruptible.removeIf(channel -> channel instanceof ZeroCopyFileChannel ours && ours.outlivesInterrupts);
        if (Thread.currentThread().isInterrupted() && !interruptible.isEmpty()) {
            ClosedChannelException interrupted =
                    failure instanceof ClosedByInterruptException ? failure : Watch.withCause(new ClosedByInterruptException(), failure);
            for (Channel channel : interruptible) {
                try {
                    channel.close();
                } catch (IOException e) {
                    interrupted.addSuppressed(e);
                }
            }
            return interrupted;
        }
        following(failure);
        return failure instanceof AsynchronousCloseException
                ? failure
                : Watch.withCause(new AsynchronousCloseException(), failure);
    }
}
