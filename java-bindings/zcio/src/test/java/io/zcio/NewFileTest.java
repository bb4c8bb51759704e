package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** {@code CREATE_NEW}, wherever a path is written to: what is there stays, whatever it is. */
class NewFileTest {
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

    private enum Operation {
        TRANSFER, LISTENED, FAN_OUT, BATCH, COPY;

        void run(Path source, Path sink, OpenOption... options) throws IOException {
            switch (this) {
                case TRANSFER -> Transfer.from(source).to(sink, options).run();
                case LISTENED -> Transfer.from(source).to(sink, options).progress(moved -> {}).run();
                case FAN_OUT -> FanOut.from(source).to(sink, options).run();
                case BATCH -> {
                    try (Batch batch = new Batch()) {
                        Throwable failure = batch.run(List.of(Batch.from(source).to(sink, options)))
                                .items()
                                .get(0)
                                .failure()
                                .orElse(null);
                        if (failure != null) {
                            throw (IOException) failure;
                        }
                    }
                }
                case COPY -> Copy.of(source, sink).createNew(options.length > 0).run();
            }
        }
    }

    private enum There {
        A_FILE, A_FOLDER, A_LINK_TO_NOWHERE;

        void make(Path path) throws IOException {
            switch (this) {
                case A_FILE -> Files.writeString(path, "precious");
                case A_FOLDER -> Files.createDirectory(path);
                case A_LINK_TO_NOWHERE -> Files.createSymbolicLink(path, Path.of("nowhere"));
            }
        }
    }

    @TestFactory
    Stream<DynamicTest> whatIsThereStays() {
        return Stream.of(Operation.values()).flatMap(operation -> Stream.of(There.values())
                .map(there -> dynamicTest(operation + ", " + there, () -> {
                    there.make(sink);
                    FileAlreadyExistsException e = assertThrowsExactly(
                            FileAlreadyExistsException.class,
                            () -> operation.run(source, sink, StandardOpenOption.CREATE_NEW));
                    assertEquals(sink.toString(), e.getFile());
                    switch (there) {
                        case A_FILE -> assertEquals("precious", Files.readString(sink));
                        case A_FOLDER -> assertEquals(0, sink.toFile().list().length);
                        case A_LINK_TO_NOWHERE -> assertFalse(Files.exists(directory.resolve("nowhere")));
                    }
                    Files.delete(sink);
                    assertArrayEquals(new String[] {"source"}, directory.toFile().list());
                })));
    }

    @TestFactory
    Stream<DynamicTest> whatIsNotThereIsMade() {
        return Stream.of(Operation.values()).map(operation -> dynamicTest(operation.toString(), () -> {
            operation.run(source, sink, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            assertArrayEquals(CONTENT, Files.readAllBytes(sink));
            Files.delete(sink);
        }));
    }

    /** The second item finds what the first one has made, at the same path. */
    @Test
    void onceInABatch() throws IOException {
        try (Batch batch = new Batch()) {
            BatchReport report = batch.run(List.of(
                    Batch.from(source).to(sink, StandardOpenOption.CREATE_NEW),
                    Batch.from(source).to(sink, StandardOpenOption.CREATE_NEW),
                    Batch.from(source).to(sink)));
            assertEquals(List.of(false, true, false), report.items().stream().map(item -> item.failure().isPresent()).toList());
            assertEquals(FileAlreadyExistsException.class, report.items().get(1).failure().get().getClass());
        }
    }

    @Test
    void otherOptionsAreRefused() {
        for (OpenOption option : List.of(StandardOpenOption.APPEND, StandardOpenOption.SYNC, InterruptOption.KEEP_OPEN)) {
            assertThrowsExactly(UnsupportedOperationException.class, () -> Transfer.from(source).to(sink, option));
        }
        assertThrowsExactly(NullPointerException.class, () -> Transfer.from(source).to(sink, (OpenOption) null));
        assertFalse(Files.exists(sink));
    }
}
