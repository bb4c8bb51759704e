package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.function.LongConsumer;

/** Direct buffers as ends: what is between position and limit now. */
final class BufferEnds {
    private BufferEnds() {}

    static End source(ByteBuffer buffer) {
        if (!buffer.isDirect()) {
            throw new IllegalArgumentException("a buffer on the heap has no address that the kernel could read from, and would"
                    + " be copied first: allocate it with ByteBuffer.allocateDirect, or write it with the channel itself");
        }
        NativeLibrary.load();
        long address = BufferSession.address(buffer) + buffer.position();
        // A limit that a listener has lowered is no reason to lose the report.
        LongConsumer advance = moved -> buffer.position((int) Math.min(buffer.limit(), buffer.position() + moved));
        return End.ofBuffer(buffer, address, advance);
    }

    static End sink(ByteBuffer buffer) {
        requireWritable(buffer);
        return source(buffer);
    }

    /** Throws if the kernel could not store anything in the buffer. */
    static void requireWritable(ByteBuffer buffer) {
        if (!buffer.isDirect()) {
            throw new IllegalArgumentException("a buffer on the heap has no address that the kernel could write to: allocate it with"
                    + " ByteBuffer.allocateDirect, or read it with the channel itself");
        }
        if (buffer.isReadOnly()) {
            throw new ReadOnlyBufferException();
        }
    }
}
