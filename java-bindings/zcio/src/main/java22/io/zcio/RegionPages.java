package io.zcio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.nio.MappedByteBuffer;

/**
 * The addresses of a region, and the buffers and segments over them, from JDK 22 on: all of one shared arena, so that every access
 * can be ended at once.
 *
 * <p>The addresses are claimed for as long as anything of the arena is reachable, which is more than the arena asks for: native code
 * that was given the address of a buffer meets zeroes, not a hole. Only if nothing was ever given out, they are free at the end.
 */
final class RegionPages {
    private final Arena arena = Arena.ofShared();
    private final Cleaner.Cleanable claim;
    private final long address;
    /** Made when somebody asks for it; also the sign that something was given out. */
    private volatile MemorySegment mapped;
    /** Whether a transfer was given the address. */
    private boolean lent;
    /** All of the region, writable in any case: for its own loads and stores. */
    final MemorySegment segment;
    /** In bytes. */
    final long length;
    final boolean readOnly;

    /** Takes a view over. */
    @SuppressWarnings("restricted")
    RegionPages(long view) {
        // Segments and buffers know the scope; nobody but this object knows the arena.
        claim = Regions.CLEANER.register(arena.scope(), () -> NativeRegion.dropView(view));
        long[] addresses = NativeRegion.addresses(view);
        this.address = addresses[0];
        this.length = addresses[1];
        this.readOnly = addresses[2] == 0;
        this.segment = MemorySegment.ofAddress(address).reinterpret(length, arena, null);
    }

    /** For others: read-only if the region is. */
    MappedByteBuffer buffer(long offset, int length) {
        return (MappedByteBuffer) segment(offset, length).asByteBuffer();
    }

    /** For others: read-only if the region is, and mapped, so that it can be forced and loaded. */
    MemorySegment segment(long offset, long length) {
        if (mapped == null) {
            mapped = mapped();
        }
        return mapped.asSlice(offset, length);
    }

    /** For a transfer: the addresses stay claimed for as long as the scope is reachable. Excludes {@link #end}. */
    End end(long offset, long length) {
        lent = true;
        return End.ofMemory(arena.scope(), address + offset, length, moved -> {});
    }

    /** The JDK's own mapped segment; where it cannot be made, one whose force and load do nothing. */
    private MemorySegment mapped() {
        MappedByteBuffer buffer = NativeRegion.buffer(address, (int) Math.min(length, Integer.MAX_VALUE), readOnly);
        Object made = NativeRegion.segment(buffer, address, length, readOnly, arena.scope());
        return made != null ? (MemorySegment) made : readOnly ? segment.asReadOnly() : segment;
    }

    /** Ends every access, because the region is closed or moves away. */
    void end() {
        if (!isEnded()) {
            // A channel or a checksum is using a buffer in another thread: it meets zeroes, and is refused the next time.
            Thread.ofVirtual().start(() -> {
                for (long pause = 1; !isEnded(); pause = Math.min(2 * pause, 1000)) {
                    java.util.concurrent.locks.LockSupport.parkNanos(pause * 1_000_000);
                }
            });
        } else if (mapped == null && !lent) {
            claim.clean();
        }
    }

    private boolean isEnded() {
        try {
            arena.close();
            return true;
        } catch (IllegalStateException e) {
            return !arena.scope().isAlive();
        }
    }
}
