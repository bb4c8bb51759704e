package io.zcio;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicBoolean;

/** What is said of what was forgotten instead of closed. */
final class Leaks {
    /** Whether what has to be closed remembers where it was made. */
    static final String DETECTION = "io.zcio.leakDetection";

    private static final boolean DETECTING = Boolean.getBoolean(DETECTION);

    private static final AtomicBoolean REPORTED = new AtomicBoolean();

    private Leaks() {}

    /** Where something is being made, for {@link #report}; null unless that was asked for. */
    static Throwable here() {
        return DETECTING ? new Throwable("it was made here") : null;
    }

    /** Something was forgotten. */
    static void report(String what, Throwable where) {
        Logger logger = System.getLogger("io.zcio");
        if (where != null) {
            logger.log(Level.WARNING, what + " was forgotten instead of closed", where);
        } else if (REPORTED.compareAndSet(false, true)) {
            logger.log(Level.WARNING, what + " was forgotten instead of closed: -D" + DETECTION
                    + "=true says where it was made; without it no further ones are reported");
        }
    }
}
