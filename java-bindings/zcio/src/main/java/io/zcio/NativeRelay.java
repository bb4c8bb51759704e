package io.zcio;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.time.Duration;

/** The bridge to the native code's relays. Not an API. */
final class NativeRelay {
    static {
        NativeLibrary.bind(NativeRelay.class, "NativeRelay");
    }

    private NativeRelay() {}

    /** Joins two sockets, of which one or both may be told to give nothing, and moves nothing yet; gives back a handle. */
    static native long start(
            SocketChannel first, SocketChannel second, boolean firstIsShut, boolean secondIsShut, int waiting)
            throws IOException;

    /** What has happened so far. */
    static native Object report(long handle);

    /** Called by the native code. */
    static Object report(Object forward, Object backward, long calls, long waits, long nanoseconds) {
        return new RelayReport(
                (RelayReport.Way) forward, (RelayReport.Way) backward, calls, waits, Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static Object way(
            long bytes, long undelivered, String mechanism, Object[] attempts, boolean ended, Throwable failure) {
        return new RelayReport.Way(bytes, undelivered, Mechanism.of(mechanism), Native.listOf(Attempt.class, attempts), ended, failure);
    }
}
