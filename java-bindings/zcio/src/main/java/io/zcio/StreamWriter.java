package io.zcio;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectableChannel;

/**
 * A transfer from a file, a path or memory to a socket or pipe in blocking mode, by a thread that is the sink's one writer, as NIO's own
 * write would be ({@link CloseProtocol}). The sink needs neither a duplicate nor a limit to how long a call waits for it, because a
 * close or an interrupt ends that call; so the first system call is the one that moves bytes.
 *
 * <p>A token, which ends no call, and a listener, which may do anything to the sink, are for the other ways.
 */
final class StreamWriter {
    private StreamWriter() {}

    static boolean serves(End source, End sink) {
        return sink.kind == End.Kind.STREAM
                && source.kind != End.Kind.STREAM
                && sink.given instanceof SelectableChannel channel
                && channel.isBlocking()
                && CloseProtocol.serves(channel);
    }

    /** With the lock to write to the sink under; null if the source is a path and no file. */
    static Report run(End source, SelectableChannel sink, TransferOptions options, Watch watch) throws IOException {
        Report report = null;
        IOException failure = null;
        try {
            boolean blocking = CloseProtocol.beforeWrite(sink);
            try {
                report = held(source, sink, options, watch);
            } catch (IOException e) {
                failure = e;
            } finally {
                CloseProtocol.afterWrite(sink, blocking, report != null);
            }
        } catch (ClosedChannelException e) {
            // What has been moved meanwhile is known by what the native code has said, if anything.
            failure = failure instanceof TransferException ? failure : closed(report, e);
        }
        if (failure instanceof ClosedChannelException) {
            failure = closed(null, failure);
        }
        if (failure != null) {
            // An interrupt closes the sink before this thread has seen it.
            watch.mustStop();
            throw failure;
        }
        return report;
    }

    private static Report held(End source, SelectableChannel sink, TransferOptions options, Watch watch) throws IOException {
        try (End.Hold held = source.hold()) {
            Packed call = new Packed();
            if (source.kind == End.Kind.FILE) {
                PackedEnds.packHeld(CloseProtocol.number((FileChannel) source.given), call);
            } else {
                PackedEnds.pack(source, call);
            }
            PackedEnds.packWritten(sink, CloseProtocol.number(sink), call);
            options.pack(call);
            long[] numbers = call.put(Stepper.IN_POLL).numbers;
            Object[] answer = NativeTransfer.run(PackedEnds.object(source), sink, numbers, watch);
            return answer != null && answer.length == 0 ? null : Reports.report(Packed.answered(numbers, answer));
        }
    }

    private static TransferException closed(Report report, IOException cause) {
        return Watch.withCause(
                new TransferException("a channel was closed", report == null ? 0 : report.bytes(), 0, new byte[0], report), cause);
    }
}
