package io.zcio;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Reference;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.Objects;

/**
 * A mapping of a file, or of no file, that can be closed.
 *
 * <pre>{@code
 * try (MappedRegion region = MappedRegion.open(Path.of("index.db"), MapMode.READ_WRITE)) {
 *     region.putLong(3_000_000_000L, 42);
 *     region.force(0, region.size());
 * }
 * }</pre>
 *
 * <p>From JDK 22 on {@code RegionSegments} makes it a {@code MemorySegment}.
 *
 * <p>Offsets and sizes are {@code long}s. {@code get} and {@code put} are as fast as those of a {@link MappedByteBuffer} and can
 * be called from any thread, as often as wanted; like a buffer's, they are not atomic. A region need not be aligned in its file.
 *
 * <h2>After close</h2>
 *
 * <p>{@link #close} gives back the file and the memory at once, whoever still has buffers over the region, and whatever they do
 * with them, native code included, never crashes:
 * <ul>
 *   <li>the region's own methods throw {@link IllegalStateException}; a loop in another thread may read zeroes, and write to
 *       nowhere, until it looks again;</li>
 *   <li>from JDK 22 on, buffers and {@code MemorySegment}s over the region throw {@link IllegalStateException}. One that another
 *       thread's channel operation, checksum or the like is using at that moment shows zeroes to it, and throws when that has
 *       ended;</li>
 *   <li>before JDK 22, and if the jar was built without one, buffers read as zeroes, and what is written to them goes nowhere.</li>
 * </ul>
 * The addresses stay reserved, without memory, until the buffers are unreachable. A {@link Transfer} that sends from the region,
 * or from a buffer over it, ends with a {@link TransferException} that counts what was delivered before. {@link #tryClose} closes only
 * a region of which nothing is out.
 *
 * <p>A region that was forgotten instead of closed is given back when neither it nor a buffer over it is reachable, and a warning
 * is logged; {@code -Dio.zcio.leakDetection=true} makes it say where each was made.
 *
 * <h2>Files that get shorter</h2>
 *
 * <p>When a mapped file is cut short, by this or another process, {@code get} and {@code put} behind its end throw
 * {@link InternalError}, perhaps a little later, as those of a {@link MappedByteBuffer}, and native code that is given such a buffer
 * ({@link java.util.zip.CRC32}) ends the JVM. {@link #read} and {@link #write} throw a {@link RegionException} in any case.
 * After {@link #installGuard} nothing faults: such pages turn into zeroes, and {@link #check} and the operations that are declared
 * to throw an {@link IOException} say so.
 */
public final class MappedRegion extends RegionOperations implements AutoCloseable {
    /** How many {@linkplain NativeRegion#view facts} there are. */
    static final int FACTS = 4;

    private static final int ENOMEM = 12;
    /** The JDK's own limit for buffers over segments. */
    private static final int LONGEST_BUFFER = Integer.MAX_VALUE - 8;

    private RegionPages pages;
    /**
     * The thread that made it, for as long as no other has loaded or stored anything. If it closes the region, nobody can be in a
     * loop over the addresses, which then need not be kept: one system call less now and one less when the region is collected.
     */
    private Thread user = Thread.currentThread();

    /** Takes a native region over; {@code facts}: see {@link NativeRegion#view}. */
    MappedRegion(long number, long[] facts, String what) {
        super(new Regions.Handle(number, facts[0], what));
        Cleaners.register(this, handle);
        attach(facts, ByteOrder.BIG_ENDIAN);
    }

    /**
     * Makes a region; a second time after a garbage collection, which may free mappings, if there are too many. What is asked of
     * it stands in the array, which gets the {@linkplain NativeRegion#view facts} about it.
     */
    static MappedRegion make(String what, long[] facts, Maker maker) throws IOException {
        NativeLibrary.load();
        long number;
        try {
            number = maker.make(facts);
        } catch (RegionException e) {
            if (e.errno().orElse(0) != ENOMEM) {
                throw e;
            }
            System.gc();
            number = maker.make(facts);
        }
        return new MappedRegion(number, facts, what);
    }

    /** Makes a native region and gives back its handle, and {@linkplain NativeRegion#view facts} about it. */
    @FunctionalInterface
    interface Maker {
        long make(long[] facts) throws IOException;
    }

    /**
     * Maps a whole file.
     *
     * @param path a path of the default file system
     * @param mode read-only, read-write or private: then what is written changes a copy that only this region has
     * @return the region, which can be {@linkplain #resizeWithFile resized together with the file}
     * @throws UnsupportedOperationException                if it is another mode
     * @throws java.nio.file.ProviderMismatchException      if it is a path of another file system
     * @throws IllegalArgumentException                     if it is no file, or a device, whose size has to be given
     * @throws java.nio.file.FileSystemException            or one of its subclasses, if it cannot be opened
     * @throws IOException                                  if it cannot be mapped
     */
    public static MappedRegion open(Path path, MapMode mode) throws IOException {
        return open(path, mode, Room.USUAL);
    }

    /**
     * Maps a whole file; see {@link #open(Path, MapMode)}.
     *
     * @param path a path of the default file system
     * @param mode read-only, read-write or private
     * @param room for what will be stored
     * @return the region
     * @throws IllegalArgumentException if there is no such room in this mode
     * @throws RegionException          ENOSPC (28), if there is not as much
     * @throws IOException              as {@link #open(Path, MapMode)}
     */
    public static MappedRegion open(Path path, MapMode mode, Room room) throws IOException {
        return open(path, mode, 0, -1, room);
    }

    /**
     * Maps part of a file; see {@link #open(Path, MapMode)}.
     *
     * @param path   a path of the default file system
     * @param mode   read-only, read-write or private
     * @param offset where in the file to begin, in bytes
     * @param size   in bytes; the file is not made longer to have as many
     * @return the region
     * @throws IllegalArgumentException if the range does not lie in the file
     * @throws IOException              as {@link #open(Path, MapMode)}
     */
    public static MappedRegion map(Path path, MapMode mode, long offset, long size) throws IOException {
        return map(path, mode, offset, size, Room.USUAL);
    }

    /**
     * Maps part of a file; see {@link #map(Path, MapMode, long, long)}.
     *
     * @param path   a path of the default file system
     * @param mode   read-only, read-write or private
     * @param offset where in the file to begin, in bytes
     * @param size   in bytes
     * @param room   for what will be stored
     * @return the region
     * @throws IllegalArgumentException if the range does not lie in the file, or there is no such room in this mode
     * @throws RegionException          ENOSPC (28), if there is not as much
     * @throws IOException              as {@link #open(Path, MapMode)}
     */
    public static MappedRegion map(Path path, MapMode mode, long offset, long size, Room room) throws IOException {
        return open(path, mode, offset, End.requireNotNegative(size, "size"), room);
    }

    private static MappedRegion open(Path path, MapMode mode, long offset, long size, Room room) throws IOException {
        long[] facts = {Regions.access(mode), End.requireNotNegative(offset, "offset"), size, room.ordinal()};
        End.of(path);
        byte[] bytes = PathBytes.of(path.toAbsolutePath());
        return make(path.toString(), facts, asked -> NativeRegion.open(bytes, path.toString(), asked));
    }

    /**
     * Maps part of an open file. The channel can be closed afterwards, and its locks are left alone.
     *
     * @param channel one of the JDK's own
     * @param mode    read-only, read-write or private
     * @param offset  where in the file to begin, in bytes; other than in {@link FileChannel#map} also beyond 2 GiB, and any
     * @param size    in bytes, also over 2 GiB; the file is not made longer to have as many
     * @return the region
     * @throws UnsupportedOperationException                if it is another mode
     * @throws IllegalArgumentException                     if the range does not lie in the file, or the channel is not one of
     *                                                      the JDK's own
     * @throws java.nio.channels.NonReadableChannelException if the channel was not opened for reading
     * @throws java.nio.channels.NonWritableChannelException if the mode is read-write and the channel was not opened for writing
     * @throws java.nio.channels.ClosedChannelException     if the channel is closed
     * @throws IOException                                  if the file cannot be mapped
     */
    public static MappedRegion map(FileChannel channel, MapMode mode, long offset, long size) throws IOException {
        return map(channel, mode, offset, size, Room.USUAL);
    }

    /**
     * Maps part of an open file; see {@link #map(FileChannel, MapMode, long, long)}.
     *
     * @param channel one of the JDK's own
     * @param mode    read-only, read-write or private
     * @param offset  where in the file to begin, in bytes
     * @param size    in bytes
     * @param room    for what will be stored
     * @return the region
     * @throws IllegalArgumentException if the range does not lie in the file, or there is no such room in this mode
     * @throws RegionException          ENOSPC (28), if there is not as much
     * @throws IOException              as {@link #map(FileChannel, MapMode, long, long)}
     */
    public static MappedRegion map(FileChannel channel, MapMode mode, long offset, long size, Room room)
            throws IOException {
        long[] facts = {
            Regions.access(mode), End.requireNotNegative(offset, "offset"), End.requireNotNegative(size, "size"), room.ordinal()
        };
        FileChannel own = (FileChannel) End.of(channel).given;
        return make("a file channel", facts, asked -> {
            try (End.Hold held = End.hold(own)) {
                return NativeRegion.map(End.number(own), asked);
            }
        });
    }

    /**
     * Maps zeroes that are nobody else's: memory outside of the heap.
     *
     * @param size in bytes
     * @return the region, readable and writable
     * @throws IOException if there is not as much
     */
    public static MappedRegion anonymous(long size) throws IOException {
        return anonymous(size, Room.USUAL);
    }

    /**
     * Maps zeroes that are nobody else's; see {@link #anonymous(long)}.
     *
     * @param size in bytes
     * @param room for what will be stored
     * @return the region, readable and writable
     * @throws IllegalArgumentException if the room is to be reserved, which it is in files alone
     * @throws IOException              if there is not as much
     */
    public static MappedRegion anonymous(long size, Room room) throws IOException {
        int reserve = room.ordinal();
        End.requireNotNegative(size, "size");
        return make(size + " bytes of memory", new long[FACTS], facts -> NativeRegion.anonymous(size, reserve, facts));
    }

    /**
     * Memory to receive into from a TCP socket by {@link Mechanism#ZEROCOPY_RECEIVE}, which puts pages of the socket's queue in the
     * place of its own. For reading, and filled by nothing else; zeroes at first, and again where a transfer begins to
     * fill it, as far as its count goes.
     *
     * @param size in bytes
     * @return the region, read-only
     * @throws IllegalArgumentException if it is negative, or more than can be addressed
     * @throws IOException              if there is no room for it
     */
    public static MappedRegion receiving(long size) throws IOException {
        End.requireNotNegative(size, "size");
        return make(size + " bytes to receive into", new long[FACTS], facts -> NativeRegion.receiving(size, facts));
    }

    /**
     * Changes the order of the bytes in values of more than one, for all threads.
     *
     * @param order the order
     * @return this region
     * @throws IllegalStateException if the region is closed
     */
    public MappedRegion order(ByteOrder order) {
        Objects.requireNonNull(order, "order");
        synchronized (changing) {
            requireOpen();
            memory(memory().order(order));
        }
        return this;
    }

    /**
     * A buffer over part of the region, without a copy: the JDK's own, whose {@code force}, {@code load} and {@code isLoaded}
     * work, in the {@linkplain #order() region's order} of now. What becomes of it when the region is closed or resized, see
     * above.
     *
     * @param offset where in the region to begin
     * @param size   in bytes; at most {@link Integer#MAX_VALUE} - 8
     * @return a new buffer, read-only if the region is
     * @throws IllegalArgumentException  if it is more than a buffer can have
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public MappedByteBuffer asByteBuffer(long offset, int size) {
        if (size > LONGEST_BUFFER) {
            throw new IllegalArgumentException(size + " bytes are more than a buffer can have");
        }
        return (MappedByteBuffer) pages(offset, size).buffer(offset, size).order(order());
    }

    /** The region's pages, if the range lies in the region; throws otherwise, and if the region is closed. */
    RegionPages pages(long offset, long length) {
        synchronized (changing) {
            checkRange(offset, length);
            return pages;
        }
    }

    /**
     * Installs, for the life of this process, a handler before the JVM's own that turns pages of regions whose file was cut
     * short into zeroes: see above. Faults elsewhere are the JVM's, as before.
     *
     * @throws RegionException if the kernel refuses it
     */
    public static void installGuard() throws RegionException {
        NativeLibrary.load();
        try {
            NativeRegion.guard();
        } catch (IOException e) {
            throw (RegionException) e;
        }
    }

    /**
     * Makes the region longer or shorter. Its buffers end as when it is closed, and no other thread may use the region meanwhile:
     * what it reads could be zeroes, what it writes could be lost. A transfer that sends from it ends with a
     * {@link TransferException} as soon as it looks. Linux 5.13, unless it has no buffers and this is JDK 22.
     *
     * @param size in bytes
     * @throws IllegalArgumentException if it is negative, or goes beyond the end of a file that the region keeps
     * @throws IllegalStateException    if the region is closed
     * @throws IOException              if there is no memory, too old a kernel, or bytes are just being moved out of the region or
     *                                  into it (EBUSY); the region is as it was, without its buffers
     */
    public void resize(long size) throws IOException {
        End.requireNotNegative(size, "size");
        moving(region -> NativeRegion.resize(region, size, false));
    }

    /**
     * As {@link #resize}, and the file is cut or extended to end where the region ends. Only for regions of a {@link Path}.
     *
     * @param size in bytes
     * @throws IllegalArgumentException if it is negative, or the region does not keep its file
     * @throws IllegalStateException    if the region is closed
     * @throws IOException              if the file cannot be changed, or as {@link #resize}
     */
    public void resizeWithFile(long size) throws IOException {
        End.requireNotNegative(size, "size");
        moving(region -> NativeRegion.resize(region, size, true));
    }

    /** Asks something of the native code that has nothing to do with pages. */
    void ask(Operation operation) throws IOException {
        requireOpen();
        try {
            operation.on(handle.number);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Runs an operation that is possible only without views: those that exist are left behind, new ones are made after it. */
    void moving(Operation operation) throws IOException {
        synchronized (changing) {
            requireOpen();
            ByteOrder order = order();
            memory(JdkGeneration.current().closed);
            pages.end();
            long claim = handle.takeClaim();
            if (isAlone()) {
                Regions.Handle.drop(claim);
            } else {
                pages.leave(claim);
            }
            try {
                NativeRegion.leaveViews(handle.number);
                operation.on(handle.number);
            } finally {
                long[] facts = new long[FACTS];
                NativeRegion.view(handle.number, facts);
                handle.claim(facts[0]);
                attach(facts, order);
            }
        }
    }

    /** Makes the region's memory accessible where it is now. */
    private void attach(long[] facts, ByteOrder order) {
        handle.length(facts[2]);
        pages = JdkGeneration.current().pages(this, facts);
        memory(pages.memory(order, user));
    }

    /** For {@link RegionPages#shared}: from now on, every thread may be in the region. */
    RegionMemory shared() {
        synchronized (changing) {
            user = null;
            memory(memory().shared());
            return memory();
        }
    }

    /** Whether no other thread can be in the region. */
    private boolean isAlone() {
        return user == Thread.currentThread();
    }

    /**
     * Gives the file and the memory back, now; see above what becomes of buffers. Closing again does nothing, or tries again what
     * the system has refused ({@link UncheckedIOException}: {@code ENOMEM} at {@code vm.max_map_count}): the memory stays till then.
     */
    @Override
    public void close() {
        synchronized (changing) {
            if (isOpen()) {
                pages.end();
            }
            giveBack();
        }
    }

    /**
     * As {@link #close}, but refused, and the region stays open, while one of its buffers or segments, or a {@link Transfer} from
     * it, is still out: until the garbage collector has found that nobody has it any more. {@link System#gc} makes that sooner.
     * What a {@linkplain #resize resize} has ended does not count.
     *
     * @return whether the region is closed now
     */
    public boolean tryClose() {
        synchronized (changing) {
            if (!isOpen() || pages.claims.tryEnd()) {
                giveBack();
            }
            return !isOpen();
        }
    }

    /** Nothing is given out any more. What the native code could not give back is asked for again by the next close. */
    private void giveBack() {
        endAccess();
        try {
            handle.close(isAlone());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            Reference.reachabilityFence(this);
        }
    }
}
