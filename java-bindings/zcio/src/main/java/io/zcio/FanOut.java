package io.zcio;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.LongFunction;

/**
 * One source to many sinks, every sink gets exactly the same bytes; between pipes and sockets they are not copied for it
 * (tee(2)).
 *
 * <pre>{@code
 * FanOutReport report = FanOut.from(upload).to(Path.of("copy")).to(mirror).run();
 * }</pre>
 *
 * <p>A sink that is slow holds the others back and never disturbs what they get. A sink that fails is reported with its
 * exception and dropped, and the rest go on; when none is left the fan-out fails. Ends are as for a {@link Transfer}, and so
 * are interrupt and close: one closed channel stops it all. While it runs, the descriptors of sinks that are sockets are in
 * non-blocking mode, whatever {@link SocketChannel#isBlocking} says: who reads from one of them meanwhile may find nothing there.
 */
public final class FanOut extends Operation<FanOutReport, FanOut> {
    private final List<End> ends = new ArrayList<>();
    /** Where to begin in each sink; negative for its position. */
    private final List<Long> offsets = new ArrayList<>();
    private final FanOutOptions options = new FanOutOptions();

    private FanOut(End source) {
        ends.add(source);
    }

    private FanOut add(End end, long offset) {
        ends.add(end);
        offsets.add(offset);
        return this;
    }

    /**
     * From a file.
     *
     * @param path a path of the default file system
     * @return a fan-out that has no sink yet
     */
    public static FanOut from(Path path) {
        return new FanOut(End.of(path));
    }

    /**
     * From an open file, from its position on, which advances by the bytes delivered unless an {@link #offset} is given.
     *
     * @param channel a channel open for reading
     * @return a fan-out that has no sink yet
     */
    public static FanOut from(FileChannel channel) {
        return new FanOut(End.of(channel));
    }

    /**
     * From a socket, until its peer ends the stream.
     *
     * @param channel a connected channel
     * @return a fan-out that has no sink yet
     */
    public static FanOut from(SocketChannel channel) {
        return new FanOut(End.of(channel));
    }

    /**
     * From a pipe, until its writing end is closed.
     *
     * @param channel the reading end
     * @return a fan-out that has no sink yet
     */
    public static FanOut from(Pipe.SourceChannel channel) {
        return new FanOut(End.of(channel));
    }

    /**
     * From something else that has a channel, as a {@linkplain Transfer#from(Closeable) transfer}.
     *
     * @param source a {@code FileInputStream}, {@code RandomAccessFile}, or {@code Socket}
     * @return a fan-out that has no sink yet
     * @throws IllegalArgumentException if it has no channel of the JDK's own, with the reason and what to do
     */
    public static FanOut from(Closeable source) {
        return new FanOut(OtherEnds.of(source));
    }

    /**
     * Also to a file, which is created, or emptied if it exists.
     *
     * @param path a path of the default file system
     * @return this fan-out
     */
    public FanOut to(Path path) {
        return add(End.of(path), -1);
    }

    /**
     * Also to a file, as {@link #to(Path)} does, with options.
     *
     * @param path    a path of the default file system
     * @param options {@code CREATE_NEW}, as for a {@linkplain Transfer.Source#to(Path, OpenOption...) transfer}
     * @return this fan-out
     * @throws UnsupportedOperationException if it is an option that a transfer does not take
     */
    public FanOut to(Path path, OpenOption... options) {
        return add(End.of(path, options), -1);
    }

    /**
     * Also to an open file, at its position, or at its end if it was opened to append.
     *
     * @param channel a channel open for writing
     * @return this fan-out
     */
    public FanOut to(FileChannel channel) {
        return add(End.of(channel), -1);
    }

    /**
     * Also to an open file, from this byte on; its position is left alone.
     *
     * @param channel a channel open for writing
     * @param offset  in bytes
     * @return this fan-out
     * @throws IllegalArgumentException if the offset is negative
     */
    public FanOut to(FileChannel channel, long offset) {
        return add(End.of(channel), End.requireNotNegative(offset, "offset"));
    }

    /**
     * Also to a socket.
     *
     * @param channel a connected channel
     * @return this fan-out
     */
    public FanOut to(SocketChannel channel) {
        return add(End.of(channel), -1);
    }

    /**
     * Also to a pipe.
     *
     * @param channel the writing end
     * @return this fan-out
     */
    public FanOut to(Pipe.SinkChannel channel) {
        return add(End.of(channel), -1);
    }

    /**
     * Also to something else that has a channel, as a {@linkplain Transfer.Source#to(Closeable) transfer}.
     *
     * @param sink a {@code FileOutputStream}, {@code RandomAccessFile}, or {@code Socket}
     * @return this fan-out
     * @throws IllegalArgumentException if it has no channel of the JDK's own, with the reason and what to do
     */
    public FanOut to(Closeable sink) {
        return add(OtherEnds.of(sink), -1);
    }

    /**
     * Starts at this byte of the source file and leaves the channel's position alone.
     *
     * @param offset in bytes
     * @return this fan-out
     * @throws IllegalArgumentException if it is negative
     */
    public FanOut offset(long offset) {
        options.offset = End.requireNotNegative(offset, "offset");
        return this;
    }

    /**
     * Moves at most this many bytes to each sink.
     *
     * @param count in bytes
     * @return this fan-out
     * @throws IllegalArgumentException if it is negative
     */
    public FanOut count(long count) {
        options.count = End.requireNotNegative(count, "count");
        return this;
    }

    /**
     * Whether later changes to the source may show in flight; {@link Visibility#ALIASED} unless said otherwise.
     *
     * @param visibility the visibility
     * @return this fan-out
     */
    public FanOut visibility(Visibility visibility) {
        options.visibility = Objects.requireNonNull(visibility, "visibility");
        return this;
    }

    /**
     * Runs to the end, waiting as needed. That some of the sinks failed is no exception: see {@link FanOutReport#sinks}.
     *
     * @return what happened
     * @throws IllegalArgumentException   if there is no sink, or an end was given twice
     * @throws ClosedChannelException     if a channel is closed
     * @throws AsynchronousCloseException if another thread closed a channel meanwhile
     * @throws ClosedByInterruptException if this thread was interrupted; the channels are closed
     * @throws FanOutException            if the source failed, or the last sink. The exceptions for close and interrupt have
     *                                    one as their cause
     * @throws IOException                if an end cannot be opened
     */
    @Override
    public FanOutReport run() throws IOException {
        return run(token);
    }

    @Override
    public String toString() {
        End[] sinks = ends.subList(1, ends.size()).toArray(End[]::new);
        return "FanOut from " + EndNames.of(ends.get(0)) + range(options.offset, options.count) + " to " + EndNames.of(sinks);
    }

    @Override
    FanOutReport run(CancelToken token) throws IOException {
        try (Stepper<FanOutReport> stepper = open(Stepper.waiting(), token)) {
            try {
                return stepper.run();
            } catch (IOException e) {
                FanOutReport report = stepper.report().orElse(null);
                if (report == null && !(e instanceof TransferException)) {
                    throw e;
                }
                byte[][] undelivered = new byte[ends.size() - 1][];
                for (int sink = 0; sink < undelivered.length; sink++) {
                    undelivered[sink] = stepper.undelivered(sink);
                }
                throw stepper.failed(new FanOutException(e, report, undelivered));
            }
        }
    }

    /**
     * Begins a fan-out that is moved on step by step.
     *
     * @return the stepper
     * @throws IllegalBlockingModeException if a channel is in blocking mode
     * @throws IllegalArgumentException     as {@link Transfer#start}
     * @throws IOException                  as {@link #run}
     */
    public Stepper<FanOutReport> start() throws IOException {
        Stepper.requireSelectable(ends.toArray(End[]::new));
        return open(Stepper.IN_SELECTOR, token);
    }

    private Stepper<FanOutReport> open(int waiting, CancelToken token) throws IOException {
        End[] all = ends.toArray(End[]::new);
        Object[] given = Arrays.stream(all).map(PackedEnds::object).toArray();
        long[] sinks = new long[2 * offsets.size()];
        for (int i = 0; i < offsets.size(); i++) {
            sinks[2 * i] = PackedEnds.kind(all[i + 1]);
            sinks[2 * i + 1] = offsets.get(i);
        }
        Packed call = new Packed();
        PackedEnds.packSource(all[0], call);
        options.pack(call);
        call.put(waiting);
        Watch watch = new Watch(progress, token, all);
        LongFunction<FanOutReport> reporter = handle -> Packed.read(NativeFanOut.report(handle), Reports::fanOutReport);
        Stepper.Opening opening = how -> NativeFanOut.start(given, sinks, call.numbers);
        return Stepper.open("fan_out", opening, waiting, watch, reporter, all);
    }
}
