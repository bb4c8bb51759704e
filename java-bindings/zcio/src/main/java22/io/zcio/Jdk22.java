package io.zcio;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;

/** What JDKs from 22 on can: segments and arenas. Found by its name, see {@link JdkGeneration}. */
final class Jdk22 extends JdkGeneration {
    @Override
    RegionMemory closed() {
        return new SegmentMemory(null, MemorySegment.NULL, false, ByteOrder.BIG_ENDIAN, null);
    }

    @Override
    RegionPages pages(MappedRegion owner, long[] facts) {
        return new SegmentPages(owner, facts);
    }

    @Override
    ZeroCopyFileChannel channel(FileChannel delegate, boolean readable, boolean writable, boolean append) {
        return new ArenaFileChannel(delegate, readable, writable, append);
    }
}
