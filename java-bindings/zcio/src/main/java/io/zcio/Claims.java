package io.zcio;

import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What was given out of a region: its buffers, its segments, transfers from it. Each has a claim on the region's addresses until
 * the garbage collector has seen that it is not reachable. Nothing tells any sooner that it is no longer out.
 *
 * <p>The cleaner's actions must know neither the region nor this object.
 */
final class Claims {
    private final MappedRegion owner;
    /** The claim of the owner's handle. The others are copies of it. */
    private final long view;
    private final AtomicInteger out = new AtomicInteger();
    private boolean ended;

    Claims(MappedRegion owner, long view) {
        this.owner = owner;
        this.view = view;
    }

    /** Claims the addresses for as long as the holder is reachable. */
    synchronized <T> T claimed(T holder) {
        requireNotEnded();
        long claim = NativeRegion.cloneView(view);
        AtomicInteger counter = out;
        counter.incrementAndGet();
        Cleaners.register(holder, () -> {
            NativeRegion.dropView(claim);
            counter.decrementAndGet();
        });
        // Until here it was the owner's claim that kept the addresses.
        Reference.reachabilityFence(owner);
        return holder;
    }

    synchronized void requireNotEnded() {
        if (ended) {
            throw new IllegalStateException("the region is closed");
        }
    }

    /** Nothing is given out from now on, because the region is closed or moves away. */
    synchronized void end() {
        ended = true;
    }

    /** As {@link #end}, unless something is out; whether nothing is given out any more. */
    synchronized boolean tryEnd() {
        ended |= out.get() == 0;
        return ended;
    }
}
