package io.zcio;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;

/**
 * Decides, while a transfer runs, whether it must stop: because its thread was interrupted, or because one of its channels
 * was closed by another thread.
 *
 * <p>It only looks. Channels are closed after the native call has returned: a file channel's {@code close} waits for the
 * threads that are inside an operation on it, this one included.
 */
final class Watch {
    private final End source;
    private final End sink;
    private boolean interrupted;

    Watch(End source, End sink) {
        this.source = source;
        this.sink = sink;
    }

    /** Called by the native code with the bytes delivered so far: whether to stop. */
    boolean look(long moved) {
        interrupted = Thread.currentThread().isInterrupted();
        return interrupted || !isOpen();
    }

    private boolean isOpen() {
        return source.isOpen() && sink.isOpen();
    }

    /**
     * As NIO before a blocking operation: a thread whose interrupt status is set closes the channels and fails, and a
     * channel that is closed already is told apart from one that is closed meanwhile.
     */
    void before() throws IOException {
        if (look(0)) {
            throw interrupted ? closedByInterrupt(null) : new ClosedChannelException();
        }
    }

    /** The exception for a transfer that failed: NIO's own if it failed because it was stopped. */
    IOException after(TransferException failure) {
        if (interrupted) {
            return closedByInterrupt(failure);
        }
        // Also when the failure looks like another: closing a channel can show itself as a broken pipe first.
        if (!isOpen()) {
            return withCause(new AsynchronousCloseException(), failure);
        }
        return failure;
    }

    private IOException closedByInterrupt(TransferException cause) {
        IOException exception = withCause(new ClosedByInterruptException(), cause);
        for (End end : new End[] {source, sink}) {
            try {
                end.close();
            } catch (IOException e) {
                exception.addSuppressed(e);
            }
        }
        return exception;
    }

    private static IOException withCause(IOException exception, TransferException cause) {
        exception.initCause(cause);
        return exception;
    }
}
