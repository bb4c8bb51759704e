package io.zcio;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;

/** What looks after regions that were forgotten. */
final class Regions {
    /** Whether regions remember where they were made. */
    static final String LEAK_DETECTION = "io.zcio.leakDetection";

    static final Cleaner CLEANER = Cleaner.create();
    private static final AtomicBoolean REPORTED = new AtomicBoolean();

    private Regions() {}

    /**
     * The owner of a region's handle, for the time after the {@link MappedRegion}; it must not know that one.
     *
     * <p>A region that was forgotten is not closed but dropped: buffers over it that somebody still uses keep their content.
     */
    static final class Handle implements Runnable {
        final long number;
        private final String what;
        private final Throwable where;
        private volatile boolean closed;

        Handle(long number, String what) {
            this.number = number;
            this.what = what;
            this.where = Boolean.getBoolean(LEAK_DETECTION) ? new Throwable("the region was made here") : null;
        }

        void closed() {
            closed = true;
        }

        /** Runs when the region is unreachable. */
        @Override
        public void run() {
            try {
                if (!closed) {
                    report();
                }
            } finally {
                NativeRegion.drop(number);
            }
        }

        private void report() {
            Logger logger = System.getLogger("io.zcio");
            if (where != null) {
                logger.log(Level.WARNING, "a region of " + what + " was forgotten instead of closed", where);
            } else if (REPORTED.compareAndSet(false, true)) {
                logger.log(Level.WARNING, "a region of " + what + " was forgotten instead of closed: -D" + LEAK_DETECTION
                        + "=true says where it was made; without it no further ones are reported");
            }
        }
    }
}
