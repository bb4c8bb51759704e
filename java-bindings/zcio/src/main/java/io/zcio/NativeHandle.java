package io.zcio;

import java.io.IOException;
import java.lang.ref.Cleaner;
import java.util.function.LongConsumer;

/**
 * The number of a native object, and the one rule for freeing it: once, and not while it is in use. Its owner may close it
 * inside a call that uses it, as a listener can, or be forgotten and collected while its own call still runs; it is freed when
 * that call returns. After that nobody gets the number.
 */
final class NativeHandle {
    private final String name;
    private final LongConsumer free;
    private final Cleaner.Cleanable cleanable;
    private final long number;
    private final Throwable where = Leaks.here();
    private int users;
    private boolean closed;
    private boolean freed;

    /** A call that uses the native object. */
    @FunctionalInterface
    interface Use<T> {
        T of(long number) throws IOException;
    }

    /**
     * Takes a native object over.
     *
     * @param owner when it is unreachable the object is freed; neither {@code free} nor anything else here may know it
     * @param name  what the owner is called in an exception
     * @param free  frees the object
     */
    NativeHandle(Object owner, String name, long number, LongConsumer free) {
        this.name = name;
        this.number = number;
        this.free = free;
        try {
            cleanable = Cleaners.register(owner, this::forgotten);
        } catch (Throwable e) {
            end();
            throw e;
        }
    }

    /**
     * Calls with the number, which stays good until the call returns.
     *
     * @throws IllegalStateException if it is closed
     */
    <T> T use(Use<T> call) throws IOException {
        enter();
        try {
            return call.of(number);
        } finally {
            leave();
        }
    }

    private synchronized void enter() {
        if (closed) {
            throw new IllegalStateException("this " + name + " is closed");
        }
        users++;
    }

    private synchronized void leave() {
        users--;
        freeUnused();
    }

    /** Runs when the owner is unreachable, or was closed. */
    private void forgotten() {
        try {
            if (!isClosed()) {
                Leaks.report("a " + name, where);
            }
        } finally {
            end();
        }
    }

    private synchronized void end() {
        closed = true;
        freeUnused();
    }

    private void freeUnused() {
        if (closed && users == 0 && !freed) {
            freed = true;
            free.accept(number);
        }
    }

    synchronized boolean isClosed() {
        return closed;
    }

    /** Frees it now, or as soon as the last call that uses it has returned. */
    void close() {
        end();
        cleanable.clean();
    }
}
