package io.zcio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;

/**
 * The method of {@link FileChannel} that came with JDK 22, for the jar's {@code META-INF/versions/22}. The base class refuses
 * it, so that a channel without it would lose what the JDK's own has.
 */
abstract class ArenaMappingFileChannel extends DelegatingFileChannel {
    ArenaMappingFileChannel(FileChannel delegate) {
        super(delegate);
    }

    @Override
    public MemorySegment map(MapMode mode, long offset, long size, Arena arena) throws IOException {
        try {
            return delegate.map(mode, offset, size, arena);
        } catch (IOException e) {
            throw following(e);
        }
    }
}
