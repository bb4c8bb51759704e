package io.zcio;

import java.io.IOException;

/** The bridge to epoll(7). Not an API; see {@link Poller}. */
final class NativePoller {
    static {
        NativeLibrary.bind(NativePoller.class, "NativePoller");
    }

    private NativePoller() {}

    /** An epoll instance. */
    static native int create() throws IOException;

    /** Must be the last call with it. */
    static native void close(int epoll);

    /** One event of a descriptor will be reported with this token; false if it cannot be waited for. */
    static native boolean add(int epoll, int fd, int events, long token);

    /** Forgets a descriptor, which must still be open. */
    static native void remove(int epoll, int fd);

    /** Waits for events and puts their tokens into the array; gives back how many. */
    static native int waitFor(int epoll, int milliseconds, long[] tokens);
}
