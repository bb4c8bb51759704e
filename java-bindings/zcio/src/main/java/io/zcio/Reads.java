package io.zcio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
        Map<Object, Integer> places = new IdentityHashMap<>();
        List<End> ends = new ArrayList<>();
        long[] given = new long[WORDS * items.size()];
        Watch watch;
        ReadsReport report;
        List<End.Hold> held = new ArrayList<>(items.size());
        try {
            int at = 0;
            for (Item item : items) {
                held.add(BufferSession.hold(item.into));
                given[at++] = places.computeIfAbsent(item.file.given, file -> {
                    ends.add(item.file);
                    return ends.size() - 1;
                });
                given[at++] = item.offset;
                given[at++] = Native.address(item.into) + item.into.position();
                given[at++] = item.into.remaining();
            }
            End[] files = ends.toArray(End[]::new);
            Object[] channels = ends.stream().map(end -> end.given).toArray();
            watch = new Watch(null, token, files);
            watch.before();
            report = Threads.onPlatformThread(watch, () -> {
                lock.lock();
                try (End.Hold all = End.holdAll(files)) {
                    return handle.use(number ->
                            Packed.read(NativeReads.run(number, channels, given, watch), Reports::readsReport));
                } finally {
                    lock.unlock();
                }
            });
        } finally {
            held.forEach(End.Hold::close);
        }
        for (int i = 0; i < items.size(); i++) {
            ByteBuffer into = items.get(i).into;
            into.position((int) Math.min(into.limit(), into.position() + report.reads().get(i).bytes()));
        }
        if (watch.look(report.bytes()) && !report.isComplete()) {
            throw watch.after(new TransferException("stopped by the caller", report.bytes(), 0, new byte[0]));
        }
        return report;
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
