package io.zcio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.function.Function;

/** The operations with ends whose type is known at run time only. */
final class EndCalls {
    private EndCalls() {}

    static Transfer.Source from(Object end) {
        if (end instanceof Path path) {
            return Transfer.from(path);
        } else if (end instanceof FileChannel channel) {
            return Transfer.from(channel);
        } else if (end instanceof SocketChannel channel) {
            return Transfer.from(channel);
        } else if (end instanceof Pipe.SourceChannel channel) {
            return Transfer.from(channel);
        } else if (end instanceof ByteBuffer buffer) {
            return Transfer.from(buffer);
        }
        MappedRegion region = (MappedRegion) end;
        return Transfer.from(region, 0, region.size());
    }

    static Transfer transfer(Object from, Object end) {
        return to(from(from), end);
    }

    static Transfer to(Transfer.Source source, Object end) {
        if (end instanceof ByteBuffer buffer) {
            return source.to(buffer);
        } else if (end instanceof MappedRegion region) {
            // As large as it was made: another size, of now, would be another request.
            return source.to(region, 0, EndLifeTest.LENGTH);
        }
        return to(end, source::to, source::to, source::to, source::to);
    }

    static FanOut fanOut(Object from, Object end) {
        FanOut fanOut = from instanceof Path path
                ? FanOut.from(path)
                : from instanceof FileChannel file
                        ? FanOut.from(file)
                        : from instanceof SocketChannel socket ? FanOut.from(socket) : FanOut.from((Pipe.SourceChannel) from);
        return to(end, fanOut::to, fanOut::to, fanOut::to, fanOut::to);
    }

    static Batch.Item item(Object from, Object end) {
        Batch.Source source = from instanceof Path path ? Batch.from(path) : Batch.from((FileChannel) from);
        return to(end, source::to, source::to, source::to, source::to);
    }

    /** The method for this kind of sink. */
    private static <T> T to(
            Object end,
            Function<Path, T> path,
            Function<FileChannel, T> file,
            Function<SocketChannel, T> socket,
            Function<Pipe.SinkChannel, T> pipe) {
        if (end instanceof Path sink) {
            return path.apply(sink);
        } else if (end instanceof FileChannel sink) {
            return file.apply(sink);
        } else if (end instanceof SocketChannel sink) {
            return socket.apply(sink);
        }
        return pipe.apply((Pipe.SinkChannel) end);
    }

    /** A failure in the middle of {@link #all}. */
    static final class Partly extends Exception {
        private static final long serialVersionUID = 1L;

        final long moved;

        Partly(long moved, IOException cause) {
            super(cause);
            Throwable count = cause instanceof TransferException ? cause : cause.getCause();
            this.moved = moved + (count instanceof TransferException more ? more.moved() : 0);
        }
    }

    /** By {@code transferTo} or {@code transferFrom} of the one that is zcio's, as often as it takes; how many bytes. */
    static long all(Object from, Object to, long length) throws Exception {
        long moved = 0;
        try {
            while (moved < length) {
                long more = to instanceof ZeroCopyFileChannel file
                        ? file.transferFrom((ReadableByteChannel) from, moved, length - moved)
                        : ((ZeroCopyFileChannel) from).transferTo(moved, length - moved, (WritableByteChannel) to);
                moved += more;
                if (more == 0) {
                    boolean ended = from instanceof FileChannel file && moved >= file.size();
                    boolean waits = !ended && (from instanceof SelectableChannel source && !source.isBlocking()
                            || to instanceof SelectableChannel sink && !sink.isBlocking());
                    if (!waits) {
                        break;
                    }
                    Thread.sleep(1);
                }
            }
            return moved;
        } catch (IOException e) {
            throw new Partly(moved, e);
        }
    }

    /** In a selector's loop, as an event loop would. */
    static <R> R stepped(Stepper<R> stepper) throws IOException {
        try (Selector selector = Selector.open()) {
            for (Step step = stepper.step(); !(step instanceof Step.Done); step = stepper.step()) {
                if (step instanceof Step.Blocked) {
                    try {
                        stepper.register(selector, step);
                    } catch (ClosedChannelException e) {
                        // The next step says so.
                        continue;
                    }
                    // Somebody else may close a channel, which no selector reports.
                    selector.select(50);
                    selector.selectedKeys().clear();
                }
            }
            return stepper.report().get();
        }
    }
}
