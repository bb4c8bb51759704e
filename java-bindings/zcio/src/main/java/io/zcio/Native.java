package io.zcio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * The bridge to the native code: what all operations share. Not an API.
 *
 * <p>Loading this class loads the native library.
 */
final class Native {
    static {
        NativeLibrary.load();
    }

    private Native() {}

    /** Loads the native library, if that has not been done: for the other classes with native methods. */
    static void load() {
        // This class's initializer does it.
    }

    /** Where a direct buffer's memory begins; 0 if it is none. */
    static native long address(ByteBuffer buffer);

    /** Registers this thread with a file channel, which then does not close its descriptor before {@link #leave}. */
    static native int enter(FileChannel channel) throws IOException;

    /** Ends what {@link #enter} began; must follow it in the same thread, whatever happens between them. */
    static native void leave(FileChannel channel, int entry);

    /** The number of a file channel's descriptor, good between {@link #enter} and {@link #leave}; negative once closed. */
    static native int number(FileChannel channel) throws IOException;

    /** The names of the mechanisms that the native code knows. */
    static native String[] mechanisms();

    /** Panics inside the native code, for the test that this ends in an exception. */
    static native void panic(String message);

    /** Called by the native code. */
    static Report report(
            long bytes,
            long requested,
            Mechanism mechanism,
            boolean automatic,
            Attempt[] attempts,
            long systemCalls,
            long waits,
            int copies,
            String copiesKnownBy,
            long nanoseconds) {
        return new Report(
                bytes,
                requested < 0 ? OptionalLong.empty() : OptionalLong.of(requested),
                mechanism,
                automatic,
                List.of(attempts),
                systemCalls,
                waits,
                copies < 0 ? OptionalInt.empty() : OptionalInt.of(copies),
                copiesKnownBy,
                Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static Attempt attempt(String mechanism, long moved, String operation, int errno, String reason) {
        OptionalInt number = errno == 0 ? OptionalInt.empty() : OptionalInt.of(errno);
        return new Attempt(Mechanism.of(mechanism), moved, operation, number, reason);
    }
}
