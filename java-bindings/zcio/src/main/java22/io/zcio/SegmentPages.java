package io.zcio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;

/**
 * The addresses of a region, and the buffers and segments over them, from JDK 22 on: all that is given out is of one shared arena,
 * so that every access can be ended at once.
 *
 * <p>Ending a shared arena stops every thread for a moment, which takes longer than mapping and unmapping. So there is an arena only
 * once something was given out. The region's own loads and stores need none: their addresses stay claimed while another thread may
 * be in a loop over them, and show zeroes once the region is closed.
 *
 * <p>What was given out has a claim of its own for as long as anything of the arena is reachable, which is more than the arena asks
 * for: native code that was given the address of a buffer meets zeroes, not a hole.
 */
final class SegmentPages extends RegionPages {
    /** All of the region, writable in any case: for its own loads and stores. */
    final MemorySegment segment;
    /** Weak, to see when nothing of the arena is reachable. */
    private WeakReference<Lent> lent = new WeakReference<>(null);

    /** An arena, and what the segments given out are slices of. */
    private record Lent(Arena arena, MemorySegment mapped) {}

    /** {@code facts}: see {@link NativeRegion#view}. */
    @SuppressWarnings("restricted")
    SegmentPages(MappedRegion owner, long[] facts) {
        super(owner, facts);
        this.segment = MemorySegment.ofAddress(address).reinterpret(length);
    }

    @Override
    RegionMemory memory(ByteOrder order, Thread user) {
        return new SegmentMemory(this, segment, readOnly, order, user);
    }

    @Override
    MappedByteBuffer buffer(long offset, int length) {
        return (MappedByteBuffer) segment(offset, length).asByteBuffer();
    }

    /** For others: read-only if the region is, and mapped, so that it can be forced and loaded. */
    MemorySegment segment(long offset, long length) {
        synchronized (claims) {
            claims.requireNotEnded();
            Lent current = lent.get();
            if (current == null) {
                current = lend();
                lent = new WeakReference<>(current);
            }
            return current.mapped.asSlice(offset, length);
        }
    }

    /** Segments and buffers know the scope; nobody but this object knows the arena, which their scope keeps reachable. */
    @SuppressWarnings("restricted")
    private Lent lend() {
        Arena arena = Arena.ofShared();
        Lent made = new Lent(arena, mapped(arena, claims.claimed(arena.scope())));
        segment.reinterpret(arena, ended -> Reference.reachabilityFence(made));
        return made;
    }

    /** The JDK's own mapped segment; where it cannot be made, one whose force and load do nothing. */
    @SuppressWarnings("restricted")
    private MemorySegment mapped(Arena arena, MemorySegment.Scope scope) {
        MappedByteBuffer buffer = NativeRegion.buffer(address, (int) Math.min(length, Integer.MAX_VALUE), readOnly);
        Object made = NativeRegion.segment(buffer, address, length, readOnly, scope);
        if (made != null) {
            return (MemorySegment) made;
        }
        MemorySegment plain = segment.reinterpret(arena, null);
        return readOnly ? plain.asReadOnly() : plain;
    }

    /** Ends every access to what was given out, too. */
    @Override
    void end() {
        super.end();
        Lent last = lent.get();
        if (last != null && !isEnded(last.arena)) {
            // A channel or a checksum is using a buffer in another thread: it meets zeroes, and is refused the next time.
            Thread.ofVirtual().start(() -> {
                for (long pause = 1; !isEnded(last.arena); pause = Math.min(2 * pause, 1000)) {
                    java.util.concurrent.locks.LockSupport.parkNanos(pause * 1_000_000);
                }
            });
        }
    }

    @Override
    void leave(long claim) {
        // Stops every thread once, as if something had been given out: none is in a loop over the old addresses after it.
        Arena.ofShared().close();
        Regions.Handle.drop(claim);
    }

    private static boolean isEnded(Arena arena) {
        try {
            arena.close();
            return true;
        } catch (IllegalStateException e) {
            return !arena.scope().isAlive();
        }
    }
}
