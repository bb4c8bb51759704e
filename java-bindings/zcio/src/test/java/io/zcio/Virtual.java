package io.zcio;

import java.lang.reflect.Method;

/** Virtual threads, for tests that are compiled for 17. */
final class Virtual {
    static final boolean EXIST = Runtime.version().feature() >= 21;

    private Virtual() {}

    static Thread start(Runnable work) {
        try {
            Method start = Thread.class.getMethod("startVirtualThread", Runnable.class);
            return (Thread) start.invoke(null, work);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }
}
