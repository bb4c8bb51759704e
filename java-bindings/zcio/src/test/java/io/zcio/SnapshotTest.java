package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A snapshot is one whatever the source: a pipe may hold the page cache of somebody's file. */
class SnapshotTest {
    private static final int SIZE = 32 << 10;

    @TempDir
    Path dir;

    private interface Way {
        void move(FileChannel file, Pipe.SourceChannel held, Pipe.SinkChannel sink) throws Exception;
    }

    private static byte[] filled(char with) {
        byte[] bytes = new byte[SIZE];
        Arrays.fill(bytes, (byte) with);
        return bytes;
    }

    /** What comes out after the file was changed. */
    private byte[] received(Way way) throws Exception {
        Path path = dir.resolve("file");
        Files.write(path, filled('A'));
        Pipe held = Pipe.open();
        Pipe sink = Pipe.open();
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
                Pipe.SourceChannel out = held.source();
                Pipe.SinkChannel into = held.sink();
                Pipe.SourceChannel far = sink.source();
                Pipe.SinkChannel near = sink.sink()) {
            Transfer.from(file).to(into).offset(0).count(SIZE).mechanism(Mechanism.SPLICE).run();
            way.move(file, out, near);
            file.write(ByteBuffer.wrap(filled('B')), 0);
            ByteBuffer bytes = ByteBuffer.allocate(SIZE);
            while (bytes.hasRemaining() && far.read(bytes) >= 0) {
                // Until all is there.
            }
            return bytes.array();
        }
    }

    @Test
    void whatIsWrittenLaterDoesNotShow() throws Exception {
        Way fanOut = (file, held, sink) ->
                FanOut.from(held).count(SIZE).visibility(Visibility.SNAPSHOT).to(sink).run();
        Way transfer = (file, held, sink) ->
                Transfer.from(held).to(sink).count(SIZE).visibility(Visibility.SNAPSHOT).run();
        Way batch = (file, held, sink) -> {
            try (Batch some = new Batch(Visibility.SNAPSHOT)) {
                assertEquals(SIZE, some.run(List.of(Batch.from(file).to(sink))).bytes());
            }
        };
        for (Way way : List.of(fanOut, transfer, batch)) {
            assertArrayEquals(filled('A'), received(way));
        }
    }
}
