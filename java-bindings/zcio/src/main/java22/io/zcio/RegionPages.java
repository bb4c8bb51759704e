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
    /** All of the region, writable in any case: for its own loads and stores. */
    final MemorySegment segment;
    private final Cleaner.Cleanable claim;
    private volatile boolean givenOut;
    /** In bytes. */
    final long length;
    final boolean readOnly;

    /** Takes a view over. */
    RegionPages(long view) {
        // Segments and buffers know the scope; nobody but this object knows the arena.
        claim = Regions.CLEANER.register(arena.scope(), () -> NativeRegion.dropView(view));
        long[] addresses = NativeRegion.addresses(view);
        this.length = addresses[1];
        this.readOnly = addresses[2] == 0;
        this.segment = segment(addresses[0]);
    }

    /** A mapped segment, or where the JDK's own cannot be made, one whose force and load do nothing. Writable in any case. */
    @SuppressWarnings("restricted")
    private MemorySegment segment(long address) {
        MappedByteBuffer mapped = NativeRegion.buffer(address, (int) Math.min(length, Integer.MAX_VALUE), false);
        Object made = NativeRegion.segment(mapped, address, length, false, arena.scope());
        return made != null
                ? (MemorySegment) made
                : MemorySegment.ofAddress(address).reinterpret(length, arena, null);
    }

    /** For others: read-only if the region is. */
    MappedByteBuffer buffer(long offset, int length) {
        return (MappedByteBuffer) segment(offset, length).asByteBuffer();
    }

    MemorySegment segment(long offset, long length) {
        givenOut = true;
        MemorySegment slice = segment.asSlice(offset, length);
        return readOnly ? slice.asReadOnly() : slice;
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
        } else if (!givenOut) {
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
