package io.zcio;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** What the reports of all operations have in common, read out of one that is over: for whoever looks from outside. */
final class Outcome {
    final Throwable failure;
    long bytes;
    Mechanism mechanism;
    List<Attempt> attempts = List.of();
    long systemCalls;
    long waits;
    int copies = -1;

    /** Reads a report of whatever kind; null if there is none, and then the failure says how far it came. */
    Outcome(Object report, Throwable failure) {
        this.failure = failure;
        if (report instanceof Report r) {
            read(r.bytes(), r.mechanism(), r.attempts(), r.systemCalls(), r.waits());
            copies = r.copies().orElse(-1);
        } else if (report instanceof RelayReport r) {
            List<Attempt> both = concat(r.forward().attempts(), r.backward().attempts());
            read(r.bytes(), r.forward().mechanism(), both, r.systemCalls(), r.waits());
        } else if (report instanceof FanOutReport r) {
            long all = r.sinks().stream().mapToLong(FanOutReport.Sink::bytes).sum();
            read(all, r.mechanism(), r.attempts(), r.systemCalls(), r.waits());
        } else if (report instanceof CopyReport r) {
            read(r.bytes(), r.mechanism().orElse(null), r.attempts(), 0, 0);
        } else if (report instanceof BatchReport r) {
            Mechanism used = r.items().stream()
                    .flatMap(item -> item.mechanism().stream())
                    .reduce((before, last) -> last)
                    .orElse(null);
            read(r.bytes(), used, r.refusal().stream().toList(), r.systemCalls(), r.waits());
        } else {
            bytes = moved(failure);
        }
    }

    /** Of one kind of system call, which moved so much. */
    Outcome(long bytes, Mechanism mechanism, long systemCalls, Throwable failure) {
        this.failure = failure;
        read(bytes, mechanism, List.of(), systemCalls, 0);
    }

    private void read(long bytes, Mechanism mechanism, List<Attempt> attempts, long systemCalls, long waits) {
        this.bytes = bytes;
        this.mechanism = mechanism;
        this.attempts = attempts;
        this.systemCalls = systemCalls;
        this.waits = waits;
    }

    private static List<Attempt> concat(List<Attempt> one, List<Attempt> other) {
        return java.util.stream.Stream.concat(one.stream(), other.stream()).toList();
    }

    /** NIO's own exceptions have the count in their cause. */
    private static long moved(Throwable failure) {
        Throwable at = failure;
        while (at != null && !(at instanceof TransferException)) {
            at = at.getCause();
        }
        return at instanceof TransferException e ? e.moved() : 0;
    }

    String refusals() {
        return attempts.isEmpty()
                ? null
                : attempts.stream()
                        .map(attempt -> Optional.ofNullable(attempt.mechanism()).map(Mechanism::mechanismName).orElse("?")
                                + ": " + attempt.operation() + ": " + attempt.reason())
                        .collect(Collectors.joining("; "));
    }
}
