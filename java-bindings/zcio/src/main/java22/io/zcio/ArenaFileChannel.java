package io.zcio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;

/**
 * A channel with the method of {@link FileChannel} that came with JDK 22. The base class refuses it, so that a channel without it
 * would lose what the JDK's own has.
 */
final class ArenaFileChannel extends ZeroCopyFileChannel {
    ArenaFileChannel(FileChannel delegate, boolean readable, boolean writable, boolean append) {
        super(delegate, readable, writable, append);
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
