package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How operations are described: what they say of themselves, what they take as ends, and the policy on null. */
class DescribedTest {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    @TempDir
    Path directory;

    private Path source;
    private Path sink;

    @BeforeEach
    void fill() throws IOException {
        source = Files.write(directory.resolve("source"), CONTENT);
        sink = directory.resolve("sink");
    }

    @TestFactory
    Stream<DynamicTest> eachSaysWhatItIs() throws IOException {
        Map<String, String> described = new LinkedHashMap<>();
        described.put(Transfer.from(source).toString(), "from " + source);
        described.put(
                Transfer.from(source).to(sink).offset(3).count(4).sinkOffset(5).toString(),
                "Transfer from " + source + ", from byte 3, at most 4 bytes to " + sink + ", from byte 5");
        described.put(FanOut.from(source).to(sink).toString(), "FanOut from " + source + " to " + sink);
        described.put(Copy.of(source, sink).toString(), "Copy of " + source + " to " + sink);
        described.put(Batch.from(source).toString(), "from " + source);
        described.put(Batch.from(source).to(sink).count(7).toString(), "from " + source + ", from byte 0, at most 7 bytes to " + sink);
        try (FileChannel file = FileChannel.open(source)) {
            described.put(
                    Reads.read(file, 9, ByteBuffer.allocateDirect(8)).toString(), "from " + source.toRealPath() + ", from byte 9, at most 8 bytes");
        }
        described.put(new CancelToken().toString(), "a token that is not cancelled");
        described.put(Peer.user(7).toString(), "USER 7");
        return described.entrySet().stream()
                .map(each -> dynamicTest(each.getValue(), () -> assertEquals(each.getValue(), each.getKey())));
    }

    /** A fan-out takes what a transfer takes. */
    @Test
    void fileStreamsAreEnds() throws IOException {
        Path other = directory.resolve("other");
        try (FileInputStream in = new FileInputStream(source.toFile());
                FileOutputStream out = new FileOutputStream(sink.toFile());
                RandomAccessFile random = new RandomAccessFile(other.toFile(), "rw")) {
            assertEquals(CONTENT.length, FanOut.from(in).to(out).to(random).run().bytes());
            assertEquals(CONTENT.length, random.getFilePointer());
        }
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        assertArrayEquals(CONTENT, Files.readAllBytes(other));
    }

    @Test
    void whatHasNoDescriptorIsRefusedInWords() throws IOException {
        try (Socket plain = new Socket()) {
            IllegalArgumentException e = assertThrowsExactly(
                    IllegalArgumentException.class, () -> FanOut.from(source).to(plain));
            assertTrue(e.getMessage().contains("open a SocketChannel"), e::getMessage);
        }
        IllegalArgumentException e = assertThrowsExactly(
                IllegalArgumentException.class, () -> FanOut.from(new ByteArrayInputStream(CONTENT)));
        assertTrue(e.getMessage().contains("copy through a buffer"), e::getMessage);
    }

    /** For a program that was compiled before there were options, and for one that asks by reflection. */
    @ParameterizedTest
    @ValueSource(classes = {Transfer.Source.class, Batch.Source.class, FanOut.class})
    void aPathAloneIsTheParameterOfAMethod(Class<?> type) throws Exception {
        assertFalse(type.getMethod("to", Path.class).isVarArgs());
    }

    @Test
    void thePackageSaysThatNothingIsNull() {
        assertTrue(Zcio.class.getPackage().isAnnotationPresent(NullMarked.class));
    }
}
