package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.util.Set;

/** NIO's way to a file channel and ours: a test of the specification runs on both, and a difference fails. */
enum Opener {
    NIO {
        @Override
        FileChannel open(Path path, OpenOption... options) throws IOException {
            return FileChannel.open(path, options);
        }

        @Override
        FileChannel open(Path path, Set<OpenOption> options, FileAttribute<?>... attributes) throws IOException {
            return FileChannel.open(path, options, attributes);
        }
    },
    ZCIO {
        @Override
        FileChannel open(Path path, OpenOption... options) throws IOException {
            return ZeroCopyFileChannel.open(path, options);
        }

        @Override
        FileChannel open(Path path, Set<OpenOption> options, FileAttribute<?>... attributes) throws IOException {
            return ZeroCopyFileChannel.open(path, options, attributes);
        }
    };

    abstract FileChannel open(Path path, OpenOption... options) throws IOException;

    abstract FileChannel open(Path path, Set<OpenOption> options, FileAttribute<?>... attributes) throws IOException;
}
