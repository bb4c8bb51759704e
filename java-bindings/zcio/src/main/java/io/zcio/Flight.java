package io.zcio;

import jdk.jfr.FlightRecorder;

/**
 * The door to JDK Flight Recorder, which a runtime need not have: the module {@code jdk.jfr} is optional, and no class of it
 * is touched before it was found. Our event is not, either, before a recording was begun: the first event of a process starts
 * the recorder's machinery, which takes a tenth of a second. While nobody records, a transfer costs one look at a flag.
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

    /** The event of an operation that begins; null if nobody records. */
    static Object begin() {
        return PRESENT && FlightRecorder.isInitialized() ? TransferEvent.begun() : null;
    }

    /**
     * The operation is over.
     *
     * @param report its report, of whatever kind; null if there is none
     * @param failure why it failed; null if it did not
     */
    static void end(Object event, String operation, Object report, Throwable failure) {
        if (event != null) {
            TransferEvent.commit(event, operation, report, failure);
        }
    }
}
