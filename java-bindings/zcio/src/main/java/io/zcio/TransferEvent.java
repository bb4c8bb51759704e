package io.zcio;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The event of JDK Flight Recorder for each transfer, relay, fan-out, batch and copy. Touched only by {@link Flight}. */
@Name("io.zcio.Transfer")
@Label("Transfer")
@Category("zcio")
@Description("Bytes moved between channels and files by zcio")
@StackTrace(false)
final class TransferEvent extends Event {
    @Label("Operation")
    String operation;

    @Label("Bytes")
    @DataAmount
    long bytes;

    @Label("Mechanism")
    String mechanism;

    @Label("Attempts")
    @Description("Mechanisms that refused before")
    int attempts;

    @Label("Failure")
    String failure;

    static Object begun() {
        TransferEvent event = new TransferEvent();
        if (!event.isEnabled()) {
            return null;
        }
        event.begin();
        return event;
    }

    static void commit(Object begun, String operation, Object report, Throwable failure) {
        TransferEvent event = (TransferEvent) begun;
        event.end();
        if (!event.shouldCommit()) {
            return;
        }
        event.operation = operation;
        event.failure = failure == null ? null : failure.toString();
        event.bytes = failure instanceof TransferException e ? e.moved() : 0;
        event.read(report);
        event.commit();
    }

    private void read(Object report) {
        if (report instanceof Report r) {
            read(r.bytes(), r.mechanism(), r.attempts().size());
        } else if (report instanceof RelayReport r) {
            int refused = r.forward().attempts().size() + r.backward().attempts().size();
            read(r.bytes(), r.forward().mechanism(), refused);
        } else if (report instanceof FanOutReport r) {
            read(r.bytes(), r.mechanism(), r.attempts().size());
        } else if (report instanceof CopyReport r) {
            read(r.bytes(), r.mechanism().orElse(null), r.attempts().size());
        } else if (report instanceof BatchReport r) {
            read(r.bytes(), r.refusal().isPresent() ? null : Mechanism.URING, r.refusal().isPresent() ? 1 : 0);
        }
    }

    private void read(long bytes, Mechanism mechanism, int attempts) {
        this.bytes = bytes;
        this.mechanism = mechanism == null ? null : mechanism.mechanismName();
        this.attempts = attempts;
    }
}
