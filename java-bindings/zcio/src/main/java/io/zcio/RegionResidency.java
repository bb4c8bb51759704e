package io.zcio;

import java.util.BitSet;

/**
 * Which pages of a range of a {@link MappedRegion} are in memory, see mincore(2).
 *
 * <p>For a file: in the page cache, whoever brought them there. For private memory: mapped here. The kernel says "present" of
 * every page of a file that this process neither owns nor may write.
 */
public final class RegionResidency {
    private final int pageSize;
    private final long pages;
    private final long present;
    private final BitSet bitmap;

    private RegionResidency(int pageSize, long pages, long present, BitSet bitmap) {
        this.pageSize = pageSize;
        this.pages = pages;
        this.present = present;
        this.bitmap = bitmap;
    }

    /** {@return size of one page in bytes} */
    public int pageSize() {
        return pageSize;
    }

    /** {@return pages in the range; the first and the last may lie in it only in part} */
    public long pages() {
        return pages;
    }

    /** {@return how many of them are in memory} */
    public long present() {
        return present;
    }

    /** {@return one bit a page, counted from the range's first; a new set} */
    public BitSet bitmap() {
        return (BitSet) bitmap.clone();
    }

    /** From the native code's array. */
    static RegionResidency of(long[] answer) {
        BitSet bitmap = BitSet.valueOf(java.util.Arrays.copyOfRange(answer, 3, answer.length));
        return new RegionResidency((int) answer[0], answer[1], answer[2], bitmap);
    }

    @Override
    public String toString() {
        return Packed.shown("RegionResidency", "pageSize", pageSize, "pages", pages, "present", present, "bitmap", bitmap);
    }
}
