package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel.MapMode;
import java.util.Map;
import java.util.Objects;

/** How regions are mapped, and what looks after those that were forgotten. */
final class Regions {
    private static final Map<MapMode, Integer> ACCESS =
            Map.of(MapMode.READ_ONLY, 0, MapMode.READ_WRITE, 1, MapMode.PRIVATE, 2);

    private Regions() {}

    /** The mode as the native code knows it. */
    static int access(MapMode mode) {
        Integer access = ACCESS.get(Objects.requireNonNull(mode, "mode"));
        if (access == null) {
            throw new UnsupportedOperationException("a region is mapped read-only, read-write or private, not " + mode);
        }
        return access;
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
        private long length;

        Handle(long number, long view, String what) {
            this.number = number;
            this.claim = view;
            this.what = what;
            this.where = Leaks.here();
            Statistics.region(1, 0);
        }

        /** Gives a view back; 0 is none. (Here, because a cleaner of an application that has ended can load no class any more.) */
        static void drop(long view) {
            if (view != 0) {
                NativeRegion.dropView(view);
            }
        }

        /** Gives file and memory back, if they are still there; {@code alone}: and the claim before. */
        void close(boolean alone) throws IOException {
            if (!closed) {
                NativeRegion.close(number, alone ? takeClaim() : 0);
                closed();
            }
        }

        synchronized void closed() {
            if (!closed) {
                closed = true;
                Statistics.region(-1, -length);
            }
        }

        /** It is so long from now on. */
        synchronized void length(long bytes) {
            Statistics.region(0, bytes - length);
            length = bytes;
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
                    closed();
                    Leaks.report("a region of " + what, where);
                }
            } finally {
                NativeRegion.drop(number);
                drop(takeClaim());
            }
        }
    }
}
