package io.zcio;

import io.zcio.EndRow.Made;
import java.io.IOException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;

/** What moves bytes from one end to another: a column of {@link EndLifeTest}'s table. */
enum EndOperation {
    TRANSFER, FAN_OUT, RELAY, BATCH, TRANSFER_TO, TRANSFER_FROM;

    /** How it is driven. */
    enum Drive {
        RUN, STEPPED, VIRTUAL
    }

    /** What an operation said: bytes, and the exception if there was one. */
    record Answer(long bytes, Throwable failure) {}

    boolean serves(EndRow row, boolean source, Drive drive) {
        // Whoever waits in a selector cannot wait for a FIFO.
        boolean driven = drive != Drive.STEPPED || this != BATCH && !row.isFifo();
        return driven && switch (this) {
            case TRANSFER -> true;
            case FAN_OUT -> !row.isMemory();
            case RELAY -> row.isSocket();
            case BATCH -> !row.isMemory() && !(source && row.isStream());
            case TRANSFER_TO -> source ? row == EndRow.ZERO_COPY_FILE : isChannelOfAStream(row);
            case TRANSFER_FROM -> source ? isChannelOfAStream(row) : row == EndRow.ZERO_COPY_FILE;
        };
    }

    private static boolean isChannelOfAStream(EndRow row) {
        return row.isStream() && row != EndRow.FIFO;
    }

    /** With that mechanism, or null; {@code second} is another sink for a fan-out. */
    Answer answer(Mechanism named, Drive drive, Made source, Made sink, Path second) throws Exception {
        try {
            return new Answer(moved(named, drive, source, sink, second), null);
        } catch (IOException | IllegalStateException | IndexOutOfBoundsException | UnsupportedOperationException e) {
            Throwable cause = e instanceof TransferException ? e : e.getCause();
            return new Answer(cause instanceof TransferException moved ? moved(moved) : 0, e);
        } catch (EndCalls.Partly e) {
            return new Answer(e.moved, e.getCause());
        }
    }

    private static long moved(TransferException failure) {
        if (failure instanceof FanOutException fanOut && fanOut.fanOutReport().isPresent()) {
            return fanOut.fanOutReport().get().sinks().get(0).bytes();
        }
        return failure.moved();
    }

    private long moved(Mechanism named, Drive drive, Made source, Made sink, Path second) throws Exception {
        if (drive == Drive.STEPPED) {
            for (Object end : new Object[] {source.end, sink.end}) {
                if (end instanceof SelectableChannel channel) {
                    channel.configureBlocking(false);
                }
            }
        }
        switch (this) {
            case TRANSFER -> {
                Transfer transfer = EndCalls.transfer(source.end, sink.end);
                if (named != null) {
                    transfer.mechanism(named);
                }
                if (drive != Drive.STEPPED) {
                    return transfer.run().bytes();
                }
                try (Stepper<Report> stepper = transfer.start()) {
                    return EndCalls.stepped(stepper).bytes();
                }
            }
            case FAN_OUT -> {
                FanOut fanOut = EndCalls.fanOut(source.end, sink.end).to(second);
                FanOutReport report = drive == Drive.STEPPED ? stepped(fanOut.start()) : fanOut.run();
                FanOutReport.Sink first = report.sinks().get(0);
                return told(first.bytes(), first.failure().orElse(null));
            }
            case RELAY -> {
                Relay relay = Relay.between((SocketChannel) source.end, (SocketChannel) sink.end);
                if (drive != Drive.STEPPED) {
                    return relay.run().forward().bytes();
                }
                try (Stepper<RelayReport> stepper = relay.start()) {
                    return EndCalls.stepped(stepper).forward().bytes();
                }
            }
            case TRANSFER_TO, TRANSFER_FROM -> {
                return EndCalls.all(source.end, sink.end, EndLifeTest.LENGTH);
            }
            default -> {
                try (Batch batch = new Batch()) {
                    BatchReport.Result result = batch.run(List.of(EndCalls.item(source.end, sink.end))).items().get(0);
                    return told(result.bytes(), result.failure().orElse(null));
                }
            }
        }
    }

    /** The exception counts what every sink has; what the first one has is in the report. */
    private static FanOutReport stepped(Stepper<FanOutReport> stepper) throws IOException {
        try (stepper) {
            try {
                return EndCalls.stepped(stepper);
            } catch (IOException e) {
                FanOutReport report = stepper.report().orElse(null);
                told(report == null ? 0 : report.sinks().get(0).bytes(), e);
                throw e;
            }
        }
    }

    /** A failure that a report tells, thrown as others are. */
    private static long told(long bytes, Throwable failure) throws TransferException {
        if (failure != null) {
            TransferException thrown = new TransferException(failure.getMessage(), bytes, 0, new byte[0], null);
            thrown.initCause(failure);
            throw thrown;
        }
        return bytes;
    }
}
