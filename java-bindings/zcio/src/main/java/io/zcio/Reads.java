package io.zcio;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Reads files into memory, many reads in flight at a time: by io_uring(7) where it is allowed, elsewhere by as many threads.
 *
 * <pre>{@code
 * try (Reads reads = new Reads(32)) {
 *     ReadsReport report = reads.run(List.of(Reads.read(file, 0, header), Reads.read(file, 1 << 20, block)));
 * }
 * }</pre>
 *
 * <p>Each read has a result of its own, see {@link ReadsReport#reads}. What is in the page cache is copied from there. A file that
 * was opened with {@code ExtendedOpenOption.DIRECT} is read past it, straight into the buffer where offset, address and length
 * are multiples of what the file asks for, and otherwise by way of another one.
 *
 * <p>Nothing is written into a buffer once {@link #run} has returned. It serves one thread at a time. On a virtual thread the work
 * is done by a platform thread of zcio's own while the virtual one is parked.
 */
public final class Reads implements AutoCloseable {
    /** What one read is to the native code: its file's place, its offset, its memory's address and length. */
    private static final int WORDS = 4;

    private final ReentrantLock lock = new ReentrantLock();
    private final NativeHandle handle;
    private final int depth;
    /** The file that was read last: bytes at an offset can be asked of it, as nothing changes while it is open. */
    private WeakReference<Object> known = new WeakReference<>(null);
    private CancelToken token;

    /**
     * For so many reads in flight at a time.
     *
     * @param depth from 1 to 4096; about 32 keep most disks busy
     * @throws IllegalArgumentException if it is anything else
     */
    public Reads(int depth) {
        if (depth < 1 || depth > 4096) {
            throw new IllegalArgumentException("depth is " + depth + ", and must be from 1 to 4096");
        }
        NativeLibrary.load();
        this.depth = depth;
        handle = new NativeHandle(this, "reads", make(depth), NativeReads::free);
    }

    private static long make(int depth) {
        try {
            return NativeReads.make(depth);
        } catch (IOException e) {
            // Where there is no ring to be had, there is none.
            throw new AssertionError(e);
        }
    }

    /** One of many reads. */
    public static final class Item {
        final End file;
        final long offset;
        final ByteBuffer into;

        private Item(End file, long offset, ByteBuffer into) {
            this.file = file;
            this.offset = offset;
            this.into = into;
        }

        @Override
        public String toString() {
            return "from " + EndNames.of(file) + Operation.range(offset, into.remaining());
        }
    }

    /**
     * One read. {@link #run} puts the bytes between the buffer's position and its limit, and moves the position behind them.
     *
     * @param file   a channel open for reading, whose position is left alone
     * @param offset of the first byte in the file
     * @param into   a direct buffer: of {@link ByteBuffer#allocateDirect}, of an arena, of a {@link MappedRegion}
     * @return the read
     * @throws IllegalArgumentException if the offset is negative, or the buffer on the heap
     * @throws ReadOnlyBufferException  if the buffer may not be written
     */
    public static Item read(FileChannel file, long offset, ByteBuffer into) {
        BufferEnds.requireWritable(into);
        return new Item(End.of(file), End.requireNotNegative(offset, "offset"), into);
    }

    /**
     * Can be stopped by this token.
     *
     * @param token the token
     * @return this
     */
    public Reads cancelledBy(CancelToken token) {
        this.token = Objects.requireNonNull(token, "token");
        return this;
    }

    /**
     * Makes all the reads and waits for the last one.
     *
     * @param items what to read
     * @return each read's result
     * @throws ClosedChannelException     if a channel is closed
     * @throws AsynchronousCloseException if another thread closed one of the channels meanwhile
     * @throws ClosedByInterruptException if this thread was interrupted; all channels are closed
     * @throws TransferCancelledException if it was stopped by its token
     * @throws IOException                if there is no descriptor left for it
     * @throws IllegalStateException      if this is closed, or the arena of a buffer, or if that is confined to another thread
     */
    public ReadsReport run(List<Item> items) throws IOException {
        return runAll(List.copyOf(items));
    }

    private ReadsReport runAll(List<Item> items) throws IOException {
        Places places = new Places(items.size());
        List<End.Hold> held = new ArrayList<>(items.size());
        Watch watch;
        ReadsReport report;
        try {
            for (Item item : items) {
                held.add(BufferSession.hold(item.into));
                places.add(item);
            }
            End[] files = places.files();
            watch = new Watch(null, token, files);
            watch.before();
            report = Threads.onPlatformThread(watch, () -> {
                lock.lock();
                try (End.Hold all = End.holdAll(files)) {
                    return handle.use(number -> read(number, files, places.words, watch));
                } finally {
                    lock.unlock();
                }
            });
        } finally {
            for (End.Hold hold : held) {
                hold.close();
            }
        }
        Iterator<ReadsReport.Result> results = report.reads().iterator();
        for (Item item : items) {
            ByteBuffer into = item.into;
            into.position((int) Math.min(into.limit(), into.position() + results.next().bytes()));
        }
        if (watch.mustStop() && !report.isComplete()) {
            throw watch.after(new TransferException("stopped by the caller", report.bytes(), 0, new byte[0], null));
        }
        return report;
    }

    /**
     * Under the holds. What the native code does for many reads would be seen in the time of a few that are made one by one: those
     * of a file that it knows are attempted first, and it makes what is left.
     */
    private ReadsReport read(long number, End[] files, long[] words, Watch watch) throws IOException {
        Object single = depth == 1 && files.length == 1 ? files[0].given : null;
        int made = single != null && known.get() == single ? attempt((FileChannel) single, words, watch) : 0;
        int count = words.length / WORDS;
        ReadsReport rest = null;
        if (made < count || count == 0) {
            Object[] channels = new Object[files.length];
            Arrays.setAll(channels, i -> files[i].given);
            long[] left = made == 0 ? words : Arrays.copyOfRange(words, made * WORDS, words.length);
            rest = Packed.read(NativeReads.run(number, channels, left, watch), Reports::readsReport);
            if (single != null && rest.isComplete()) {
                known = new WeakReference<>(single);
            }
            if (made == 0) {
                return rest;
            }
        }
        ReadsReport.Result[] results = new ReadsReport.Result[count];
        for (int i = 0; i < count; i++) {
            results[i] = i < made
                    ? new ReadsReport.Result(words[WORDS * i + 3], Optional.empty())
                    : rest.reads().get(i - made);
        }
        return rest == null
                ? new ReadsReport(List.of(results), Optional.empty(), made)
                : new ReadsReport(List.of(results), rest.refusal(), made + 1 + rest.systemCalls());
    }

    /** How many reads were made, from the first one on. */
    private static int attempt(FileChannel file, long[] words, Watch watch) throws IOException {
        int count = words.length / WORDS;
        int descriptor = End.number(file);
        int made = 0;
        while (made < count && !watch.mustStop()) {
            int more = NativeReads.attempt(descriptor, words, made);
            if (more < 0) {
                return made + ~more;
            }
            made += more;
        }
        return made;
    }

    /** What the native code is told of the reads, and their files, each once. */
    private static final class Places {
        final long[] words;
        private final List<End> ends = new ArrayList<>(1);
        private Map<Object, Integer> places;
        private int place;
        private int at;

        Places(int count) {
            words = new long[WORDS * count];
        }

        void add(Item item) {
            if (ends.isEmpty() || ends.get(place).given != item.file.given) {
                place = placeOf(item.file);
            }
            words[at++] = place;
            words[at++] = item.offset;
            words[at++] = BufferSession.address(item.into) + item.into.position();
            words[at++] = item.into.remaining();
        }

        private int placeOf(End file) {
            if (!ends.isEmpty() && places == null) {
                places = new IdentityHashMap<>();
                places.put(ends.get(0).given, 0);
            }
            Integer known = places == null ? null : places.putIfAbsent(file.given, ends.size());
            if (known == null) {
                ends.add(file);
            }
            return known == null ? ends.size() - 1 : known;
        }

        End[] files() {
            return ends.toArray(End[]::new);
        }
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
