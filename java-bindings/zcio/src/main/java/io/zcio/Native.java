package io.zcio;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * The bridge to the native code: what all operations share, and the one class that the native code knows. Not an API.
 *
 * <p>The types of what the native code calls here are the JDK's, and so are those of all native methods: a build that moves
 * this package to another name must change nothing that the native code knows.
 */
final class Native {
    static {
        NativeLibrary.load();
    }

    private Native() {}

    /** Where a direct buffer's memory begins; 0 if it is none. */
    static native long address(ByteBuffer buffer);

    /** The names of the mechanisms that the native code knows. */
    static native String[] mechanisms();

    /** Panics inside the native code, for the test that this ends in an exception. */
    static native void panic(String message);

    /** The places where knowledge about copies comes from, by their names, in the native code's order. */
    static native String[] knownBy();

    /** Of reports: asked for when there is one. */
    private static final class Names {
        static final Mechanism[] MECHANISMS = all();
        static final String[] KNOWN_BY = knownBy();

        private static Mechanism[] all() {
            String[] names = mechanisms();
            Mechanism[] all = new Mechanism[names.length];
            for (int i = 0; i < names.length; i++) {
                all[i] = Mechanism.of(names[i]);
            }
            return all;
        }
    }

    /** Called by the native code. Mechanism and knowledge are places in its lists. */
    static Object report(
            long bytes,
            long requested,
            int mechanism,
            boolean automatic,
            Object[] attempts,
            long systemCalls,
            long waits,
            int copies,
            int copiesKnownBy,
            long nanoseconds) {
        return new Report(
                bytes,
                requested < 0 ? OptionalLong.empty() : OptionalLong.of(requested),
                Names.MECHANISMS[mechanism],
                automatic,
                listOf(Attempt.class, attempts),
                systemCalls,
                waits,
                copies < 0 ? OptionalInt.empty() : OptionalInt.of(copies),
                Names.KNOWN_BY[copiesKnownBy],
                Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static Object attempt(String mechanism, long moved, String operation, int errno, String reason) {
        OptionalInt number = errno == 0 ? OptionalInt.empty() : OptionalInt.of(errno);
        return new Attempt(Mechanism.of(mechanism), moved, operation, number, reason);
    }

    /** Called by the native code. */
    static Throwable transferException(String message, long moved, int errno, byte[] undelivered) {
        return new TransferException(message, moved, errno, undelivered);
    }

    /** Called by the native code. */
    static Throwable regionException(String message, int errno) {
        return new RegionException(message, errno);
    }

    /** What the native code has put into an array; null stands for an empty one. */
    static <T> List<T> listOf(Class<T> type, Object[] all) {
        return all == null ? List.of() : Arrays.stream(all).map(type::cast).toList();
    }
}
