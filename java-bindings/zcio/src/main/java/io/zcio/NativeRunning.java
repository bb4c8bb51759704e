package io.zcio;

import java.io.IOException;
import java.util.function.LongPredicate;

/** The bridge to what is under way in the native code, whatever it is. Not an API; see {@link Stepper}. */
final class NativeRunning {
    /** The answer of a step or run: everything has been moved. */
    static final long DONE = -1;
    /** A step's answer: nothing can be moved until one of the {@link #interests} is ready. */
    static final long BLOCKED = -2;

    static {
        NativeLibrary.bind(NativeRunning.class, "NativeRunning");
    }

    private NativeRunning() {}

    /** Runs to the end, waiting in poll(2): {@link #DONE}, or 0 when the watch stopped it; it can go on. */
    static native long run(long handle, LongPredicate watch) throws IOException;

    /** One step: {@link #DONE}, {@link #BLOCKED}, or the number of bytes moved. */
    static native long step(long handle) throws IOException;

    /** The bytes delivered so far: of a relay in both directions, of a fan-out to every sink. */
    static native long moved(long handle);

    /** What the next step needs, three numbers each: the end's place, its descriptor, the events of poll(2). */
    static native int[] interests(long handle);

    /** Hands over the bytes that were taken and not delivered in that part, and forgets them. */
    static native byte[] undelivered(long handle, int part) throws IOException;

    /** Must be the last call with this handle. */
    static native void free(long handle);
}
