package io.zcio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;

/**
 * What {@code FileChannel.transferFrom} does at a position behind the end of the file, which the specification changed its
 * mind about: JDK 17 moves nothing, newer ones let the file grow.
 *
 * <p>Nobody but this JDK can say which one it is, so it is asked, once, with a source that is empty.
 */
final class BeyondEnd {
    private static volatile Boolean grows;

    private BeyondEnd() {}

    /** Whether the file grows. {@code position} is behind the end of {@code file}, which stays as it is. */
    static boolean grows(FileChannel file, long position) throws IOException {
        Boolean known = grows;
        if (known == null) {
            Empty empty = new Empty();
            file.transferFrom(empty, position, 1);
            known = empty.asked;
            grows = known;
        }
        return known;
    }

    /** Ends at once, and remembers that it was asked for a byte. */
    private static final class Empty implements ReadableByteChannel {
        private boolean asked;

        @Override
        public int read(ByteBuffer target) {
            asked = true;
            return -1;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
