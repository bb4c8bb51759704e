package io.zcio;

import java.util.List;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/**
 * The event of JDK Flight Recorder for each operation. Touched only by {@link Flight}. A recording can leave out short ones
 * ({@code threshold}); the bytes of all of them add up to the bytes moved.
 */
@Name("io.zcio.Transfer")
@Label("Transfer")
@Category("zcio")
@Description("Bytes moved between channels and files by zcio")
@StackTrace(false)
final class TransferEvent extends Event {
    private static final TransferEvent ASKED = new TransferEvent();

    @Label("Operation")
    @Description("transfer, relay, fan_out, batch or copy")
    String operation;

    @Label("Source")
    @Description("Path or peer")
    String source;

    @Label("Sink")
    @Description("Path or peer")
    String sink;

    @Label("Bytes")
    @Description("Delivered, to all sinks together")
    @DataAmount
    long bytes;

    @Label("Mechanism")
    @Description("In use last")
    String mechanism;

    @Label("Attempts")
    @Description("Mechanisms that refused before")
    int attempts;

    @Label("Refusals")
    @Description("Who refused, and why")
    String refusals;

    @Label("System calls")
    @Description("Made to move bytes, waits included; 0 where they are not counted")
    long systemCalls;

    @Label("Waits")
    @Description("Calls of poll(2) made to wait for an end")
    long waits;

    @Label("Copies")
    @Description("How often the CPU copied each byte; -1 where that cannot be known")
    int copies;

    @Label("Failure")
    String failure;

    /** The event of what begins now; null if nobody wants it. */
    static TransferEvent begun(String operation, Object source, Object sink) {
        if (!ASKED.isEnabled()) {
            return null;
        }
        TransferEvent event = new TransferEvent();
        event.operation = operation;
        boolean batch = source instanceof List;
        event.source = batch ? EndNames.of((List<?>) source, item -> item.source) : EndNames.of(source);
        event.sink = batch ? EndNames.of((List<?>) source, item -> item.sink) : EndNames.of(sink);
        event.begin();
        return event;
    }

    void commit(Outcome outcome) {
        end();
        if (shouldCommit()) {
            bytes = outcome.bytes;
            mechanism = outcome.mechanism == null ? null : outcome.mechanism.mechanismName();
            attempts = outcome.attempts.size();
            refusals = outcome.refusals();
            systemCalls = outcome.systemCalls;
            waits = outcome.waits;
            copies = outcome.copies;
            failure = outcome.failure == null ? null : outcome.failure.toString();
            commit();
        }
    }
}
