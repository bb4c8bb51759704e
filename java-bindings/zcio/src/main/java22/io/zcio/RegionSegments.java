package io.zcio;

import java.lang.foreign.MemorySegment;

/** Regions as {@link MemorySegment}s: on a JDK from 22 on, which alone has these. */
public final class RegionSegments {
    private RegionSegments() {}

    /**
     * A segment over part of a region, without a copy, for any thread: mapped, so that its {@code force}, {@code load} and
     * {@code isLoaded} work. After the region was closed or resized every access throws {@link IllegalStateException}.
     *
     * @param region of a file, or shared, or of no file
     * @param offset where in the region to begin
     * @param size   in bytes
     * @return a new segment, read-only if the region is
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     */
    public static MemorySegment asMemorySegment(MappedRegion region, long offset, long size) {
        return ((SegmentPages) region.pages(offset, size)).segment(offset, size);
    }
}
