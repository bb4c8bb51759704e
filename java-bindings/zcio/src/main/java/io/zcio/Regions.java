package io.zcio;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicBoolean;

/** What looks after regions that were forgotten. */
final class Regions {
    /** Whether regions remember where they were made. */
    static final String LEAK_DETECTION = "io.zcio.leakDetection";

    private static final boolean DETECTING = Boolean.getBoolean(LEAK_DETECTION);

    private static final AtomicBoolean REPORTED = new AtomicBoolean();

    private Regions() {}

    /** Gives a view back; 0 is none. */
    static void drop(long view) {
        if (view != 0) {
            NativeRegion.dropView(view);
        }
    }

    /**
     * The owner of a region's handle, for the time after the {@link MappedRegion}; it must not know that one.
     *
     * <p>A region that was forgotten is not closed but dropped: buffers over it that somebody still uses keep their content.
     */
    static final class Handle implements Runnable {
        final long number;
        /**
         * The claim on the addresses that the region's own loads and stores go to, 0 for none. It outlives the close, because
         * another thread's loop may still be there: its frame keeps the region reachable.
         */
        private volatile long claim;
        private final String what;
        private final Throwable where;
        private volatile boolean closed;

        Handle(long number, long view, String what) {
            this.number = number;
            this.claim = view;
            this.what = what;
            this.where = DETECTING ? new Throwable("the region was made here") : null;
        }

        void closed() {
            closed = true;
        }

        /** The claim is the caller's from now on. */
        long takeClaim() {
            long taken = claim;
            claim = 0;
            return taken;
        }

        void claim(long view) {
            claim = view;
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
                drop(takeClaim());
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
