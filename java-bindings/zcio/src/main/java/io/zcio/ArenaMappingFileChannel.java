package io.zcio;

import java.nio.channels.FileChannel;

/**
 * The place of {@code map(MapMode, long, long, Arena)}, whose types only a JDK from 22 on has: there the jar has another class
 * of this name (src/main/java22), with that method. Here the method does not exist.
 */
abstract class ArenaMappingFileChannel extends DelegatingFileChannel {
    ArenaMappingFileChannel(FileChannel delegate) {
        super(delegate);
    }
}
