package io.zcio;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.LongStream;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Makes many small transfers in one call: files, or parts of them, to sockets, pipes or files. Where io_uring(7) is allowed,
 * many files are opened, read and closed in one system call, and what goes to the same sink is sent together.
 *
 * <pre>{@code
 * try (Batch batch = new Batch()) {
 *     BatchReport report = batch.run(List.of(Batch.from(one).to(socket), Batch.from(two).to(socket)));
 * }
 * }</pre>
 *
 * <p>What goes to one channel arrives in the order of the items, each one whole. An item that fails before its first byte
 * leaves nothing in the sink; one that fails in the middle leaves its first part there, and all later items for that channel
 * fail too, unsent. One item's failure is its own, see {@link BatchReport#items}. Sources are read ahead of their turn: whether
 * an item that reads a file which an earlier one writes finds the old bytes or the new is not said.
 *
 * <p>A batch keeps a ring with 2 MiB of memory for its next {@link #run}; it serves one thread at a time. On a virtual thread
 * the work is done by a platform thread of zcio's own while the virtual one is parked. While {@link #run} works, the descriptors
 * of sinks that are sockets are in non-blocking mode, whatever {@link java.nio.channels.SocketChannel#isBlocking} says.
 */
public final class Batch implements AutoCloseable {
    private final ReentrantLock lock = new ReentrantLock();
    private final NativeHandle handle;
    private CancelToken token;

    /** A batch that has nothing to do yet. */
    public Batch() {
        this(Visibility.ALIASED);
    }

    /**
     * A batch that has nothing to do yet.
     *
     * @param visibility whether later changes to the files may show in flight
     */
    public Batch(Visibility visibility) {
        boolean snapshot = Objects.requireNonNull(visibility, "visibility") == Visibility.SNAPSHOT;
        NativeLibrary.load();
        handle = new NativeHandle(this, "batch", NativeBatch.make(snapshot), NativeBatch::free);
    }

    /** One transfer of a batch. */
    public static final class Item {
        final End source;
        final End sink;
        private final long offset;
        private final long count;

        @Override
        public String toString() {
            return "from " + EndNames.of(source) + Operation.range(offset, count) + " to " + EndNames.of(sink);
        }

        private Item(End source, End sink, long offset, long count) {
            this.source = source;
            this.sink = sink;
            this.offset = offset;
            this.count = count;
        }

        /**
         * From this byte of the file on; from its first byte unless said otherwise.
         *
         * @param offset in bytes
         * @return a new item
         * @throws IllegalArgumentException if it is negative
         */
        @CheckReturnValue
        public Item offset(long offset) {
            return new Item(source, sink, End.requireNotNegative(offset, "offset"), count);
        }

        /**
         * At most this many bytes. Said for a file whose size is known, it saves asking for the end.
         *
         * @param count in bytes
         * @return a new item
         * @throws IllegalArgumentException if it is negative
         */
        @CheckReturnValue
        public Item count(long count) {
            return new Item(source, sink, offset, End.requireNotNegative(count, "count"));
        }
    }

    /** Where an item's bytes come from. */
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
         * To a file, which is created, or emptied, with the first byte of the item.
         *
         * @param path a path of the default file system
         * @return the item
         */
        public Item to(Path path) {
            return new Item(end, End.of(path), 0, -1);
        }

        /**
         * To a file, as {@link #to(Path)} does, with options.
         *
         * @param path    a path of the default file system
         * @param options {@code CREATE_NEW}, as for a {@linkplain Transfer.Source#to(Path, OpenOption...) transfer}
         * @return the item
         * @throws UnsupportedOperationException if it is an option that a transfer does not take
         */
        public Item to(Path path, OpenOption... options) {
            return new Item(end, End.of(path, options), 0, -1);
        }

        /**
         * To an open file, at its position, or at its end if it was opened to append.
         *
         * @param channel a channel open for writing
         * @return the item
         */
        public Item to(FileChannel channel) {
            return new Item(end, End.of(channel), 0, -1);
        }

        /**
         * To a socket.
         *
         * @param channel a connected channel
         * @return the item
         */
        public Item to(SocketChannel channel) {
            return new Item(end, End.of(channel), 0, -1);
        }

        /**
         * To a pipe.
         *
         * @param channel the writing end
         * @return the item
         */
        public Item to(Pipe.SinkChannel channel) {
            return new Item(end, End.of(channel), 0, -1);
        }
    }

    /**
     * From a file, which is opened when its turn comes.
     *
     * @param path a regular file of the default file system: bytes of a FIFO or a terminal could be read and lost
     * @return the first half of an item
     */
    public static Source from(Path path) {
        return new Source(End.of(path));
    }

    /**
     * From an open file, whose position is left alone.
     *
     * @param channel a channel open for reading
     * @return the first half of an item
     */
    public static Source from(FileChannel channel) {
        return new Source(End.of(channel));
    }

    /**
     * Can be stopped by this token.
     *
     * @param token the token
     * @return this batch
     */
    public Batch cancelledBy(CancelToken token) {
        this.token = Objects.requireNonNull(token, "token");
        return this;
    }

    /**
     * Makes all the transfers and waits for the last one.
     *
     * @param items what to do
     * @return each item's result
     * @throws ClosedChannelException     if a channel is closed
     * @throws AsynchronousCloseException if another thread closed one of the channels meanwhile
     * @throws ClosedByInterruptException if this thread was interrupted; all channels of all items are closed
     * @throws TransferCancelledException if it was stopped by its token. The exceptions for this, close and interrupt say in
     *                                    {@link TransferException#moved} of themselves or their cause how many bytes were
     *                                    delivered, in the order of the items
     * @throws IOException                if there is no descriptor left for the batch
     * @throws IllegalStateException      if this batch is closed
     */
    public BatchReport run(List<Item> items) throws IOException {
        Map<Object, Integer> places = new IdentityHashMap<>();
        List<End> ends = new ArrayList<>();
        long[] packed = items.stream()
                .flatMapToLong(item -> LongStream.of(
                        place(item.source, places, ends), place(item.sink, places, ends), item.offset, item.count))
                .toArray();
        End[] channels = ends.stream().filter(End::isChannel).toArray(End[]::new);
        Watch watch = new Watch(null, token, channels);
        watch.begin();
        Object[] given = ends.stream().map(PackedEnds::object).toArray();
        long[] kinds = ends.stream().mapToLong(PackedEnds::kind).toArray();
        Object event = Flight.begin("batch", items, null);
        BatchReport report = null;
        IOException failure = null;
        try {
            report = Threads.onPlatformThread(watch, () -> {
                lock.lock();
                try (End.Hold held = End.holdAll(channels)) {
                    return handle.use(number ->
                            Packed.read(NativeBatch.run(number, given, kinds, packed, watch), Reports::batchReport));
                } finally {
                    lock.unlock();
                }
            });
        } catch (IOException e) {
            failure = e;
        }
        Flight.end(event, report, failure);
        if (failure != null) {
            throw failure;
        }
        report.refusal().ifPresent(refusal -> Notices.once("io_uring", () -> "zcio makes batches without io_uring: "
                + refusal.operation() + ": " + refusal.reason()));
        if (watch.look(report.bytes()) && !report.isComplete()) {
            throw watch.after(new TransferException("stopped by the caller", report.bytes(), 0, new byte[0], null));
        }
        return report;
    }

    private static int place(End end, Map<Object, Integer> places, List<End> ends) {
        // The same path may be given where it must be new, and where it need not.
        return places.computeIfAbsent(end.isNew() ? end : end.given, key -> {
            ends.add(end);
            return ends.size() - 1;
        });
    }

    /** Frees what the native code holds. Waits for a run that another thread is making. */
    @Override
    public void close() {
        lock.lock();
        try {
            handle.close();
        } finally {
            lock.unlock();
        }
    }
}
