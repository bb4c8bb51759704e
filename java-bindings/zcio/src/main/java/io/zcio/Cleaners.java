package io.zcio;

import java.lang.ref.Cleaner;

/** The one cleaner, made when it is needed: where there is no memory or thread for it now, there may be the next time. */
final class Cleaners {
    private static Cleaner cleaner;

    private Cleaners() {}

    /** Runs {@code action}, which must not know {@code owner}, when that is unreachable. */
    static Cleaner.Cleanable register(Object owner, Runnable action) {
        return cleaner().register(owner, action);
    }

    private static synchronized Cleaner cleaner() {
        if (cleaner == null) {
            cleaner = Cleaner.create();
        }
        return cleaner;
    }
}
