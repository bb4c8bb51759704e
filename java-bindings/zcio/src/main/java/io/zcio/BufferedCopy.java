package io.zcio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Between a file and a channel that has no descriptor: through a direct buffer of 256 KiB, which such a channel sees and
 * must not keep.
 *
 * <p>As NIO does it: a write that takes less than it was offered ends the transfer, and so does a failure, which is
 * reported only if nothing had been moved before it. Beyond NIO, bytes that were taken out of a channel and could not be
 * written are handed back ({@link TransferException#undelivered}).
 */
final class BufferedCopy {
    /** In the place of a count: no transfer can be made of it, of ranges of one file that overlap above all, but a buffer can serve. */
    static final long NEEDED = -1;

    /** Bytes in a buffer. */
    static final int SIZE = 256 << 10;

    /** What is kept for the next transfer; more at a time are made, and left to the garbage collector. */
    private static final int KEPT = 4;

    private static final ConcurrentLinkedQueue<ByteBuffer> BUFFERS = new ConcurrentLinkedQueue<>();
    private static final AtomicInteger KEEPING = new AtomicInteger();

    private BufferedCopy() {}

    /** As NIO: no more than the file has when a transfer begins, for it may be the one that grows. A size of 0 says nothing in /proc. */
    static long untilEnd(FileChannel file, long position, long count) throws IOException {
        long size = file.size();
        return size > position ? Math.min(count, size - position) : count;
    }

    /** From a file to any channel; gives back how many bytes the channel took. */
    static long transferTo(FileChannel file, long position, long count, WritableByteChannel target) throws IOException {
        Object event = Flight.begin("transfer", file, target);
        ByteBuffer buffer = take();
        long moved = 0;
        IOException failure = null;
        try {
            while (moved < count) {
                limit(buffer, count - moved);
                int read = file.read(buffer, position + moved);
                if (read <= 0) {
                    break;
                }
                int written = target.write(buffer.flip());
                moved += written;
                if (written != read) {
                    break;
                }
            }
            return moved;
        } catch (IOException e) {
            failure = e;
            return movedBefore(e, moved);
        } finally {
            give(buffer);
            Flight.end(event, moved, Mechanism.READ_WRITE, 0, failure);
        }
    }

    /** Reads a range to nowhere, so that the page cache has it; gives back how many bytes there were. */
    static long read(FileChannel file, long position, long count) throws IOException {
        ByteBuffer buffer = take();
        try {
            long read = 0;
            while (read < count) {
                limit(buffer, count - read);
                int now = file.read(buffer, position + read);
                if (now < 0) {
                    break;
                }
                read += now;
            }
            return read;
        } finally {
            give(buffer);
        }
    }

    /** From any channel to a file; gives back how many bytes were written. */
    static long transferFrom(ReadableByteChannel source, FileChannel file, long position, long count) throws IOException {
        Object event = Flight.begin("transfer", source, file);
        ByteBuffer buffer = take();
        long moved = 0;
        IOException failure = null;
        try {
            while (moved < count) {
                limit(buffer, count - moved);
                int read = source.read(buffer);
                if (read <= 0) {
                    break;
                }
                buffer.flip();
                moved += writeAll(buffer, file, position + moved, moved);
            }
            return moved;
        } catch (IOException e) {
            failure = e;
            return movedBefore(e, moved);
        } finally {
            give(buffer);
            Flight.end(event, moved, Mechanism.READ_WRITE, 0, failure);
        }
    }

    /**
     * What was taken out of a stream can be had nowhere else: a short write is followed by another, and what cannot be
     * written is handed back in the exception.
     */
    private static int writeAll(ByteBuffer buffer, FileChannel file, long at, long moved) throws IOException {
        try {
            while (buffer.hasRemaining()) {
                file.write(buffer, at + buffer.position());
            }
            return buffer.position();
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            long delivered = moved + buffer.position();
            byte[] undelivered = new byte[buffer.remaining()];
            buffer.get(undelivered);
            TransferException failure = new TransferException(e.getMessage(), delivered, 0, undelivered, null);
            failure.initCause(e);
            throw failure;
        }
    }

    private static void limit(ByteBuffer buffer, long most) {
        buffer.clear().limit((int) Math.min(most, SIZE));
    }

    private static long movedBefore(IOException failure, long moved) throws IOException {
        boolean saysMore = failure instanceof ClosedChannelException || failure instanceof TransferException;
        if (moved == 0 || saysMore) {
            throw failure;
        }
        return moved;
    }

    private static ByteBuffer take() {
        ByteBuffer kept = BUFFERS.poll();
        if (kept == null) {
            return ByteBuffer.allocateDirect(SIZE);
        }
        KEEPING.decrementAndGet();
        return kept;
    }

    private static void give(ByteBuffer buffer) {
        if (KEEPING.incrementAndGet() <= KEPT) {
            BUFFERS.add(buffer);
        } else {
            KEEPING.decrementAndGet();
        }
    }
}
