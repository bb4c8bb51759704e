package io.zcio;

import java.io.IOException;
import java.nio.channels.SelectableChannel;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;

/** One run of a {@link Transfer}, or the beginning of its steps. */
record TransferRun(End source, End sink, TransferOptions options, LongConsumer progress, CancelToken token) {
    Report run() throws IOException {
        if (Threads.isVirtual() || progress != null) {
            return inSteps();
        }
        Watch watch = new Watch(progress, token, source, sink);
        watch.begin();
        Object event = Flight.begin("transfer", source, sink);
        Report report = null;
        IOException failure = null;
        try {
            for (report = once(watch); report == null; report = once(watch)) {
                Stepper.waitForReader(watch);
            }
            advance(report.bytes());
        } catch (TransferException e) {
            advance(e.moved());
            failure = watch.after(e);
        } catch (IOException e) {
            failure = e;
        }
        Flight.end(event, report, failure);
        if (failure != null) {
            throw failure;
        }
        return report;
    }

    private void advance(long moved) {
        source.advance(moved);
        sink.advance(moved);
    }

    /** Null if the sink is a FIFO that nobody reads yet. */
    private Report once(Watch watch) throws IOException {
        if (token == null && StreamWriter.serves(source, sink)) {
            ReentrantLock lock = ChannelLocks.writerOf((SelectableChannel) sink.given);
            // Somebody else's write may take for ever, and an interrupt ends this one meanwhile.
            if (lock.tryLock()) {
                try {
                    Report report = StreamWriter.run(source, (SelectableChannel) sink.given, options, watch);
                    if (report != null) {
                        return report;
                    }
                } finally {
                    lock.unlock();
                }
            }
        }
        try (End.Hold held = source.hold();
                End.Hold alsoHeld = sink.hold()) {
            long[] call = call(Stepper.IN_POLL);
            Object[] answer = NativeTransfer.run(PackedEnds.object(source), PackedEnds.object(sink), call, watch);
            return answer != null && answer.length == 0 ? null : Reports.report(Packed.answered(call, answer));
        }
    }

    private long[] call(int waiting) {
        Packed call = new Packed();
        PackedEnds.packSource(source, call);
        PackedEnds.pack(sink, call);
        options.pack(call);
        return call.put(waiting).numbers;
    }

    /** On a virtual thread, which must not wait inside the native code; and where a listener is told, which must not run there. */
    private Report inSteps() throws IOException {
        try (Stepper<Report> stepper = open(Stepper.waiting())) {
            try {
                return stepper.run();
            } catch (IOException e) {
                throw stepper.failed(e);
            }
        }
    }

    /** Opens the ends and moves nothing yet. */
    Stepper<Report> open(int waiting) throws IOException {
        Watch watch = new Watch(progress, token, source, sink);
        Stepper.Opening opening = how -> NativeTransfer.start(PackedEnds.object(source), PackedEnds.object(sink), call(how));
        LongFunction<Report> reporter = handle -> Packed.read(NativeTransfer.report(handle), Reports::report);
        return Stepper.open("transfer", opening, waiting, watch, reporter, source, sink);
    }
}
