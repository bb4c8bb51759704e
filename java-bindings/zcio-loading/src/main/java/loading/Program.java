package loading;

import io.zcio.MappedRegion;
import io.zcio.Transfer;
import io.zcio.TransferException;
import io.zcio.Zcio;
import io.zcio.ZeroCopyFileChannel;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/** An application that uses zcio, wherever its classes come from, and says what it found. */
public final class Program {
    private static final byte[] CONTENT = new byte[100_000];

    static {
        Arrays.fill(CONTENT, (byte) 'z');
    }

    private Program() {}

    public static void main(String[] arguments) throws Exception {
        System.out.println(use());
    }

    /** Copies and sends, by native code, by what that calls in Java, and by a channel; says whether all of it went well. */
    public static String use() throws Exception {
        Path source = Files.createTempFile("zcio", "source");
        Path sink = Files.createTempFile("zcio", "sink");
        try {
            Files.write(source, CONTENT);
            String channel = channel(source, sink);
            if (!Zcio.isAvailable()) {
                return "not available, " + channel + ": " + Zcio.unavailabilityCause().orElseThrow().getMessage();
            }
            Transfer.from(source).to(sink).progress(moved -> {}).run();
            requireContent(sink);
            try {
                Transfer.from(source).to(Path.of("/dev/full")).run();
                throw new AssertionError("a device that is full takes no byte");
            } catch (TransferException e) {
                // As it should: made by what the native code calls in Java.
            }
            pipe(sink);
            return "works, " + channel + ", a closed buffer " + closed(source);
        } finally {
            Files.delete(source);
            Files.delete(sink);
        }
    }

    private static void requireContent(Path file) throws Exception {
        if (!Arrays.equals(Files.readAllBytes(file), CONTENT)) {
            throw new AssertionError("other bytes");
        }
    }

    private static String channel(Path source, Path sink) throws Exception {
        try (FileChannel from = ZeroCopyFileChannel.open(source);
                FileChannel to = FileChannel.open(sink, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            from.transferTo(0, CONTENT.length, to);
            requireContent(sink);
            return from instanceof ZeroCopyFileChannel ? "a channel of zcio's" : "a channel of the JDK's";
        }
    }

    /** Waits for what another thread writes. */
    private static void pipe(Path sink) throws Exception {
        Pipe pipe = Pipe.open();
        Thread writer = new Thread(() -> {
            try {
                Thread.sleep(20);
                pipe.sink().write(ByteBuffer.allocate(1000));
                pipe.sink().close();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        writer.start();
        if (Transfer.from(pipe.source()).to(sink).run().bytes() != 1000) {
            throw new AssertionError("not all");
        }
        writer.join();
        pipe.source().close();
    }

    /** What a buffer does whose region is closed; it must not be silent where the JDK has a way to tell it. */
    private static String closed(Path source) throws Exception {
        MappedRegion region = MappedRegion.open(source, MapMode.READ_WRITE);
        ByteBuffer buffer = region.asByteBuffer(0, 100);
        region.close();
        try {
            buffer.put(0, (byte) 1);
            return "is silent";
        } catch (IllegalStateException e) {
            return "throws";
        }
    }
}
