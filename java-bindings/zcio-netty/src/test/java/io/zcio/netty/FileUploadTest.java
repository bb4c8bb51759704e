package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.SimpleChannelInboundHandler;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Uploads into a file over every transport, whole, cut short, and followed by more. */
@Timeout(180)
class FileUploadTest {
    private static final long SIZE = (64L << 20) + 12_345;

    @TempDir
    Path directory;

    /** A server that puts an upload into a file and tells how it ended. */
    private final class Upload implements AutoCloseable {
        final Path path = directory.resolve("upload");
        final CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        final CompletableFuture<String> rest = new CompletableFuture<>();
        final Transport.Server server;
        volatile FileUploadHandler handler;

        Upload(Transport transport, long length, ChannelHandler... before) throws Exception {
            server = transport.serve(() -> {
                FileUploadHandler upload = new FileUploadHandler(path, length);
                handler = upload;
                ChannelHandler teller = new ChannelInboundHandlerAdapter() {
                    @Override
                    public void handlerAdded(ChannelHandlerContext context) {
                        upload.done().addListener(future -> outcome.complete(future.cause()));
                    }
                };
                ChannelHandler[] all = java.util.Arrays.copyOf(before, before.length + 3);
                all[before.length] = upload;
                all[before.length + 1] = teller;
                all[before.length + 2] = new SimpleChannelInboundHandler<ByteBuf>() {
                    private String text = "";

                    @Override
                    protected void channelRead0(ChannelHandlerContext context, ByteBuf bytes) {
                        text += bytes.toString(java.nio.charset.StandardCharsets.US_ASCII);
                        if (text.length() >= 4) {
                            rest.complete(text);
                        }
                    }
                };
                return all;
            });
        }

        Throwable outcome() throws Exception {
            return outcome.get(60, TimeUnit.SECONDS);
        }

        @Override
        public void close() throws Exception {
            server.close();
        }
    }

    private void assertContent(Path path) throws IOException {
        assertEquals(SIZE, Files.size(path));
        try (FileChannel file = FileChannel.open(path)) {
            assertEquals(SIZE, Pattern.check(file, 0, SIZE, 1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aWholeUploadAndWhatFollows(Transport transport) throws Exception {
        try (Upload upload = new Upload(transport, SIZE); SocketChannel socket = upload.server.connect()) {
            Pattern.send(socket, SIZE);
            socket.write(ByteBuffer.wrap("next".getBytes()));
            assertNull(upload.outcome());
            assertContent(upload.path);
            assertEquals("next", upload.rest.get(60, TimeUnit.SECONDS));
            assertEquals(transport == Transport.EPOLL, upload.handler.spliced());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPeerThatClosesAsSoonAsItHasSent(Transport transport) throws Exception {
        try (Upload upload = new Upload(transport, SIZE)) {
            try (SocketChannel socket = upload.server.connect()) {
                Pattern.send(socket, SIZE);
            }
            assertNull(upload.outcome());
            assertContent(upload.path);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPeerThatVanishes(Transport transport) throws Exception {
        for (long sent : new long[] {0, 1, 1 << 20}) {
            try (Upload upload = new Upload(transport, SIZE)) {
                try (SocketChannel socket = upload.server.connect()) {
                    Pattern.send(socket, sent);
                }
                assertInstanceOf(EOFException.class, upload.outcome());
                assertEquals(sent, Files.size(upload.path));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void behindAnotherHandler(Transport transport) throws Exception {
        try (Upload upload = new Upload(transport, SIZE, new ChannelInboundHandlerAdapter());
                SocketChannel socket = upload.server.connect()) {
            Pattern.send(socket, SIZE);
            assertNull(upload.outcome());
            assertContent(upload.path);
        }
    }

    @ParameterizedTest
    @EnumSource
    @EnabledIfEnvironmentVariable(named = "ZCIO_LARGE", matches = ".+")
    void moreThanTwoGibibytes(Transport transport) throws Exception {
        long length = (2L << 30) + (64 << 20);
        try (Upload upload = new Upload(transport, length); SocketChannel socket = upload.server.connect()) {
            Pattern.send(socket, length);
            assertNull(upload.outcome());
            try (FileChannel file = FileChannel.open(upload.path)) {
                assertEquals(length, Pattern.check(file, 0, length, 1));
            }
        }
    }

    /** As behind an HTTP decoder: the handler comes when the first bytes are there already. */
    @ParameterizedTest
    @EnumSource
    void aHandlerThatIsAddedOnTheWay(Transport transport) throws Exception {
        Path path = directory.resolve("upload");
        CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        ChannelHandler first = new ChannelInboundHandlerAdapter() {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) {
                FileUploadHandler upload = new FileUploadHandler(path, SIZE);
                context.pipeline().addLast(upload);
                upload.done().addListener(future -> outcome.complete(future.cause()));
                context.fireChannelRead(message);
                context.pipeline().remove(this);
            }
        };
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {first});
                SocketChannel socket = server.connect()) {
            Pattern.send(socket, SIZE);
            assertNull(outcome.get(60, TimeUnit.SECONDS));
            assertContent(path);
        }
    }

    @ParameterizedTest
    @EnumSource
    void nothingAndNowhere(Transport transport) throws Exception {
        try (Upload upload = new Upload(transport, 0); SocketChannel socket = upload.server.connect()) {
            assertNull(upload.outcome());
            assertEquals(0, Files.size(upload.path));
        }
        Files.delete(directory.resolve("upload"));
        Files.createDirectory(directory.resolve("upload"));
        try (Upload upload = new Upload(transport, 1); SocketChannel socket = upload.server.connect()) {
            assertInstanceOf(IOException.class, upload.outcome());
        }
    }

    /** The bytes of an upload that failed are read and dropped, or the connection is closed: no handler behind takes them. */
    @ParameterizedTest
    @EnumSource
    void anUploadThatFailsIsNobodysMessage(Transport transport) throws Exception {
        Path nowhere = Files.createDirectory(directory.resolve("a directory"));
        for (Path path : List.of(nowhere, Path.of("/dev/full"))) {
            for (boolean behindAnother : new boolean[] {false, true}) {
                for (boolean removed : new boolean[] {false, true}) {
                    failing(transport, path, behindAnother, removed);
                }
            }
        }
    }

    /** The old file, or the whole new one, and nothing beside it. */
    @ParameterizedTest
    @EnumSource
    void anAtomicUpload(Transport transport) throws Exception {
        Path path = Files.writeString(directory.resolve("upload"), "old");
        Files.setPosixFilePermissions(path, java.nio.file.attribute.PosixFilePermissions.fromString("rw-r-----"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), path);
        for (long sent : new long[] {0, 1 << 20, SIZE}) {
            CompletableFuture<Throwable> outcome = new CompletableFuture<>();
            Supplier<ChannelHandler[]> handlers = () -> {
                FileUploadHandler upload = FileUploadHandler.atomic(link, SIZE);
                return new ChannelHandler[] {upload, new ChannelInboundHandlerAdapter() {
                    @Override
                    public void handlerAdded(ChannelHandlerContext context) {
                        upload.done().addListener(future -> outcome.complete(future.cause()));
                    }
                }};
            };
            try (Transport.Server server = transport.serve(handlers)) {
                try (SocketChannel socket = server.connect()) {
                    Pattern.send(socket, sent);
                }
                Throwable cause = outcome.get(60, TimeUnit.SECONDS);
                if (sent == SIZE) {
                    assertNull(cause);
                    assertContent(path);
                } else {
                    assertInstanceOf(EOFException.class, cause);
                    assertEquals("old", Files.readString(path));
                }
            }
            assertEquals(2, directory.toFile().list().length, List.of(directory.toFile().list()).toString());
            assertEquals("rw-r-----", java.nio.file.attribute.PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
        }
    }

    private void failing(Transport transport, Path path, boolean behindAnother, boolean removed) throws Exception {
        CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        StringBuffer seen = new StringBuffer();
        CompletableFuture<Void> ended = new CompletableFuture<>();
        Supplier<ChannelHandler[]> handlers = () -> {
            FileUploadHandler upload = new FileUploadHandler(path, SIZE);
            ChannelHandler next = new SimpleChannelInboundHandler<ByteBuf>() {
                @Override
                public void handlerAdded(ChannelHandlerContext context) {
                    upload.done().addListener(future -> {
                        outcome.complete(future.cause());
                        if (removed && context.pipeline().context(upload) != null) {
                            context.pipeline().remove(upload);
                        }
                    });
                }

                @Override
                protected void channelRead0(ChannelHandlerContext context, ByteBuf bytes) {
                    seen.append(bytes.toString(java.nio.charset.StandardCharsets.US_ASCII));
                    if (seen.indexOf("next") >= 0) {
                        ended.complete(null);
                    }
                }

                @Override
                public void channelInactive(ChannelHandlerContext context) {
                    ended.complete(null);
                }
            };
            return behindAnother
                    ? new ChannelHandler[] {new ChannelInboundHandlerAdapter(), upload, next}
                    : new ChannelHandler[] {upload, next};
        };
        String way = path + ", behind another " + behindAnother + ", removed " + removed;
        try (Transport.Server server = transport.serve(handlers);
                SocketChannel socket = server.connect()) {
            boolean whole = true;
            try {
                Pattern.send(socket, SIZE);
                socket.write(ByteBuffer.wrap("next".getBytes()));
            } catch (IOException e) {
                whole = false;
            }
            assertInstanceOf(IOException.class, outcome.get(60, TimeUnit.SECONDS), way);
            ended.get(60, TimeUnit.SECONDS);
            String expected = whole && seen.length() > 0 ? "next" : "";
            assertEquals(expected, seen.toString(), way);
        }
    }
}
