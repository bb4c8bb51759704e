package io.zcio;

import java.io.IOException;

/** The bridge to epoll(7). Not an API; see {@link Poller}. */
final class NativePoller {
    static {
        Native.load();
    }

    private NativePoller() {}

    /** An epoll instance for the life of the process. */
    static native int create() throws IOException;

    /** One event of a descriptor will be reported with this token; false if it cannot be waited for. */
    static native boolean add(int epoll, int fd, int events, long token);

    /** Forgets a descriptor, which must still be open. */
    static native void remove(int epoll, int fd);

    /** Waits for events and puts their tokens into the array; gives back how many. */
    static native int await(int epoll, int milliseconds, long[] tokens);
}
