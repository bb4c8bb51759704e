package io.zcio;

import java.lang.foreign.MemorySegment;

/** What a region offers from JDK 22 on. */
abstract class RegionSegments {
    /** For subclasses. */
    RegionSegments() {}

    /** The region's pages, if the range lies in the region; throws otherwise, and if the region is closed. */
    abstract RegionPages pages(long offset, long length);

    /**
     * A segment over part of the region, without a copy, for any thread: mapped, so that its {@code force}, {@code load} and
     * {@code isLoaded} work. After the region was closed or resized every access throws {@link IllegalStateException}.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @return a new segment, read-only if the region is
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public final MemorySegment asMemorySegment(long offset, long size) {
        return pages(offset, size).segment(offset, size);
    }
}
