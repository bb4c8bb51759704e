package io.zcio;

import java.util.BitSet;

/**
 * Which pages of a range of a {@link MappedRegion} are in memory, see mincore(2).
 *
 * <p>For a file: in the page cache, whoever brought them there. For private memory: mapped here. The kernel says "present" of
 * every page of a file that this process neither owns nor may write.
 *
 * @param pageSize size of one page in bytes
 * @param pages    pages in the range; the first and the last may lie in it only in part
 * @param present  how many of them are in memory
 * @param bitmap   one bit a page, counted from the range's first
 */
public record RegionResidency(int pageSize, long pages, long present, BitSet bitmap) {
    /** From the native code's array. */
    static RegionResidency of(long[] answer) {
        BitSet bitmap = BitSet.valueOf(java.util.Arrays.copyOfRange(answer, 3, answer.length));
        return new RegionResidency((int) answer[0], answer[1], answer[2], bitmap);
    }
}
