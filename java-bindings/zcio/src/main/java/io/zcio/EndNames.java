package io.zcio;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;

/** What an end is called where a person reads it: its path or peer. Asked only while somebody records. */
final class EndNames {
    private static final int MOST = 20;

    private EndNames() {}

    /** Of an {@link End}, of several, or of what one is made of. */
    static String of(Object end) {
        if (end instanceof End one) {
            return of(one.given);
        } else if (end instanceof End[] several) {
            return Arrays.stream(several).map(EndNames::of).collect(Collectors.joining(", "));
        } else if (end instanceof SocketChannel socket) {
            return peer(socket);
        } else if (end instanceof FileChannel file) {
            return file(file instanceof ZeroCopyFileChannel ours ? ours.delegate : file);
        } else if (end instanceof Pipe.SourceChannel || end instanceof Pipe.SinkChannel) {
            return "pipe";
        }
        return end instanceof Path path ? path.toString() : end.getClass().getSimpleName();
    }

    /** Of one side of a batch's items: each once, and not hundreds. */
    static String of(List<?> items, Function<Batch.Item, End> side) {
        return items.stream()
                .map(item -> of(side.apply((Batch.Item) item)))
                .distinct()
                .limit(MOST)
                .collect(Collectors.joining(", "));
    }

    private static String peer(SocketChannel socket) {
        try {
            return String.valueOf(socket.getRemoteAddress());
        } catch (IOException e) {
            return "closed";
        }
    }

    /** A channel does not say what it was opened with; its descriptor does. */
    private static String file(FileChannel channel) {
        if (!End.hasDescriptor(channel)) {
            return channel.getClass().getSimpleName();
        }
        try (End.Hold held = End.hold(channel)) {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/" + End.number(channel))).toString();
        } catch (IOException e) {
            return "file";
        }
    }
}
