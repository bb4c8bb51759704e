package io.zcio;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;

/** Counts for the whole process, since zcio was loaded: {@link ZcioMXBean}. */
final class Statistics {
    /** By the mechanism's place; the last one is for bytes of an operation that failed without a report. */
    private static final LongAdder[] BYTES = new LongAdder[Mechanism.values().length + 1];

    static {
        for (int i = 0; i < BYTES.length; i++) {
            BYTES[i] = new LongAdder();
        }
    }

    private static final LongAdder OPERATIONS = new LongAdder();
    private static final LongAdder FAILURES = new LongAdder();
    private static final LongAdder FALLBACKS = new LongAdder();
    private static final LongAdder SYSTEM_CALLS = new LongAdder();
    /** Steppers whose last step was blocked. */
    private static final LongAdder BLOCKED = new LongAdder();
    private static final LongAdder REGIONS = new LongAdder();
    private static final LongAdder REGION_BYTES = new LongAdder();

    private Statistics() {}

    static void add(long bytes, Mechanism mechanism, long systemCalls, Throwable failure) {
        moved(mechanism, bytes);
        OPERATIONS.increment();
        SYSTEM_CALLS.add(systemCalls);
        if (failure != null) {
            FAILURES.increment();
        }
    }

    static void add(Report report, Throwable failure) {
        add(report.bytes(), report.mechanism(), report.systemCalls(), failure);
        FALLBACKS.add(report.attempts().size());
    }

    static void add(Outcome outcome, Object report) {
        // Several mechanisms may have been at work.
        long elsewhere = 0;
        if (report instanceof BatchReport batch) {
            for (BatchReport.Result item : batch.items()) {
                moved(item.mechanism().orElse(null), item.bytes());
                elsewhere += item.bytes();
            }
        } else if (report instanceof FanOutReport fanOut) {
            for (FanOutReport.Sink sink : fanOut.sinks()) {
                moved(sink.mechanism(), sink.bytes());
                elsewhere += sink.bytes();
            }
        } else if (report instanceof RelayReport relay) {
            moved(relay.backward().mechanism(), relay.backward().bytes());
            elsewhere = relay.backward().bytes();
        }
        add(outcome.bytes - elsewhere, outcome.mechanism, outcome.systemCalls, outcome.failure);
        FALLBACKS.add(outcome.attempts.size());
    }

    private static void moved(Mechanism mechanism, long bytes) {
        if (bytes != 0) {
            BYTES[mechanism == null ? BYTES.length - 1 : mechanism.ordinal()].add(bytes);
        }
    }

    /** A region was made, became longer or shorter, or was given back. */
    static void region(int more, long bytes) {
        REGIONS.add(more);
        REGION_BYTES.add(bytes);
    }

    static void blocked(int more) {
        BLOCKED.add(more);
    }

    static final ZcioMXBean BEAN = new ZcioMXBean() {
        @Override
        public Map<String, Long> getBytesByMechanism() {
            Map<String, Long> bytes = new TreeMap<>();
            for (Mechanism mechanism : Mechanism.values()) {
                bytes.put(mechanism.mechanismName(), BYTES[mechanism.ordinal()].sum());
            }
            bytes.put("unknown", BYTES[BYTES.length - 1].sum());
            return bytes;
        }

        @Override
        public long getBytes() {
            return Stream.of(BYTES).mapToLong(LongAdder::sum).sum();
        }

        @Override
        public long getOperations() {
            return OPERATIONS.sum();
        }

        @Override
        public long getFailures() {
            return FAILURES.sum();
        }

        @Override
        public long getFallbacks() {
            return FALLBACKS.sum();
        }

        @Override
        public long getSystemCalls() {
            return SYSTEM_CALLS.sum();
        }

        @Override
        public long getOpenRegions() {
            return REGIONS.sum();
        }

        @Override
        public long getRegionBytes() {
            return REGION_BYTES.sum();
        }

        @Override
        public long getWaitingTransfers() {
            return Poller.waiting() + BLOCKED.sum();
        }
    };
}
