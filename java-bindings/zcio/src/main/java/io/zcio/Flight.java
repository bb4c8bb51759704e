package io.zcio;

import jdk.jfr.FlightRecorder;

/**
 * Where every operation says that it begins and ends: to {@link Statistics}, and to JDK Flight Recorder, which a runtime need
 * not have. The module {@code jdk.jfr} is optional, and no class of it is touched before it was found. Our event is not, either,
 * before a recording was begun: the first event of a process starts the recorder's machinery, which takes a tenth of a second.
 * While nobody records, an operation costs one look at a flag and makes no object for it.
 */
final class Flight {
    private static final boolean PRESENT = isPresent();

    private Flight() {}

    private static boolean isPresent() {
        try {
            Class.forName("jdk.jfr.Event", false, Flight.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException | LinkageError e) {
            return false;
        }
    }

    /**
     * The event of an operation that begins; null if nobody records.
     *
     * @param source an {@link End}, or what one is made of; or the items of a batch
     * @param sink   an end, or several; null for a batch
     */
    static Object begin(String operation, Object source, Object sink) {
        return PRESENT && FlightRecorder.isInitialized() ? TransferEvent.begun(operation, source, sink) : null;
    }

    /**
     * The operation is over.
     *
     * @param report its report, of whatever kind; null if there is none
     * @param failure why it failed; null if it did not
     */
    static void end(Object event, Object report, Throwable failure) {
        if (event == null && report instanceof Report r) {
            Statistics.add(r, failure);
        } else {
            over(event, new Outcome(report, failure), report);
        }
    }

    /** System calls of one kind have moved so much. */
    static void end(Object event, long bytes, Mechanism mechanism, long systemCalls, Throwable failure) {
        if (event == null) {
            Statistics.add(bytes, mechanism, systemCalls, failure);
        } else {
            over(event, new Outcome(bytes, mechanism, systemCalls, failure), null);
        }
    }

    private static void over(Object event, Outcome outcome, Object report) {
        Statistics.add(outcome, report);
        if (event != null) {
            ((TransferEvent) event).commit(outcome);
        }
    }
}
