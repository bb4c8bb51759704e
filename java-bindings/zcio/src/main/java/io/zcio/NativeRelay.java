package io.zcio;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;

/** The bridge to the native code's relays. Not an API. */
final class NativeRelay {
    static {
        Native.load();
    }

    private NativeRelay() {}

    /** Joins two sockets and moves nothing yet; gives back a handle. */
    static native long start(SocketChannel first, SocketChannel second, int waiting) throws IOException;

    /** What has happened so far. */
    static native RelayReport report(long handle);

    /** Called by the native code. */
    static RelayReport report(RelayReport.Way forward, RelayReport.Way backward, long calls, long waits, long nanoseconds) {
        return new RelayReport(forward, backward, calls, waits, Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static RelayReport.Way way(
            long bytes, long undelivered, String mechanism, Attempt[] attempts, boolean ended, Throwable failure) {
        return new RelayReport.Way(bytes, undelivered, Mechanism.of(mechanism), List.of(attempts), ended, failure);
    }
}
