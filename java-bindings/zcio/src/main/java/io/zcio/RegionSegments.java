package io.zcio;

/**
 * What a region offers on newer JDKs only: there another class of this name stands in its place (META-INF/versions/22), which
 * has {@code asMemorySegment}.
 */
abstract class RegionSegments {
    /** For subclasses. */
    RegionSegments() {}

    /** The region's pages, if the range lies in the region; throws otherwise, and if the region is closed. */
    abstract RegionPages pages(long offset, long length);
}
