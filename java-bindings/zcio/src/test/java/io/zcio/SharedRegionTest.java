package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NotYetConnectedException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Shared memory: handed over between two sockets of this JVM, and between two JVMs. */
@Timeout(300)
class SharedRegionTest {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    @TempDir
    Path directory;

    private static byte[] bytes(MappedRegion region) {
        byte[] bytes = new byte[(int) region.size()];
        region.get(0, bytes, 0, bytes.length);
        return bytes;
    }

    private static int errno(org.junit.jupiter.api.function.Executable use) {
        return assertThrowsExactly(RegionException.class, use).errno().orElse(0);
    }

    @Test
    void bothHoldersSeeTheSameBytes() throws Exception {
        for (boolean blocking : new boolean[] {true, false}) {
            try (Ends.Pair pair = Ends.unix();
                    SharedRegion shared = SharedRegion.create(CONTENT.length)) {
                pair.near().configureBlocking(blocking);
                pair.far().configureBlocking(blocking);
                shared.region().put(0, CONTENT, 0, CONTENT.length);
                assertThrowsExactly(IllegalArgumentException.class, () -> shared.send(pair.near(), Peer.sameUser()));
                shared.seal(Seal.SHRINK, Seal.GROW);
                CompletableFuture<SharedRegion> received =
                        Ends.background(() -> SharedRegion.receive(pair.far(), Peer.process(ProcessHandle.current().pid()), Seal.GROW));
                Thread.sleep(250);
                shared.send(pair.near(), Peer.sameUser());
                try (SharedRegion other = Ends.result(received)) {
                    assertEquals(Set.of(Seal.SHRINK, Seal.GROW), other.seals());
                    assertArrayEquals(CONTENT, bytes(other.region()));
                    other.region().putLong(50_001, 123);
                    assertEquals(123, shared.region().getLong(50_001));
                    assertEquals(123, shared.region().asByteBuffer(50_001, 8).getLong());
                    shared.close();
                    assertEquals(123, other.region().getLong(50_001));
                    assertThrowsExactly(IllegalStateException.class, () -> shared.region().get(0));
                    assertThrowsExactly(IllegalStateException.class, () -> shared.send(pair.near(), Peer.anyone()));
                    assertThrowsExactly(IllegalStateException.class, () -> shared.seal(Seal.SEAL));
                    assertThrowsExactly(IllegalStateException.class, shared::seals);
                    assertThrowsExactly(IllegalStateException.class, shared::refresh);
                }
            }
        }
    }

    @Test
    void seals() throws Exception {
        try (SharedRegion shared = SharedRegion.create(4096)) {
            assertEquals(EnumSet.noneOf(Seal.class), shared.seals());
            shared.region().putInt(0, 42);
            MappedByteBuffer old = shared.region().asByteBuffer(0, 100);
            shared.grow(1 << 20);
            assertEquals(1 << 20, shared.region().size());
            RegionCloseProgram.assertEnded(old);
            assertThrowsExactly(IllegalArgumentException.class, () -> shared.grow(100));
            shared.refresh();
            shared.seal(Seal.GROW, Seal.SHRINK);
            assertEquals(1, errno(() -> shared.grow(2 << 20)));
            old = shared.region().asByteBuffer(0, 100);
            shared.seal(Seal.WRITE);
            RegionCloseProgram.assertEnded(old);
            assertTrue(shared.region().isReadOnly());
            assertThrowsExactly(ReadOnlyBufferException.class, () -> shared.region().put(0, (byte) 1));
            assertTrue(shared.region().asByteBuffer(0, 1).isReadOnly());
            assertEquals(42, shared.region().getInt(0));
            shared.seal(Seal.SEAL);
            assertEquals(1, errno(() -> shared.seal(Seal.FUTURE_WRITE)));
            assertEquals(EnumSet.of(Seal.GROW, Seal.SHRINK, Seal.WRITE, Seal.SEAL), shared.seals());
        }
        assertThrowsExactly(IllegalArgumentException.class, () -> SharedRegion.create(-1));
        assertEquals(28, errno(() -> SharedRegion.create(1L << 50)));
    }

    @Test
    void aReaderOfMemoryWhoseWriterGoesOn() throws Exception {
        try (Ends.Pair pair = Ends.unix();
                SharedRegion writer = SharedRegion.create(4096)) {
            writer.seal(Seal.SHRINK, Seal.FUTURE_WRITE);
            writer.send(pair.near(), Peer.user(Integer.toUnsignedLong((Integer) java.nio.file.Files.getAttribute(Path.of("/proc/self"), "unix:uid"))));
            try (SharedRegion reader = SharedRegion.receive(pair.far(), Peer.anyone(), Seal.FUTURE_WRITE)) {
                writer.region().putLong(8, 99);
                assertTrue(reader.region().isReadOnly());
                assertEquals(99, reader.region().getLong(8));
                // Somebody, this process here, could still write.
                assertEquals(16, errno(() -> reader.seal(Seal.WRITE)));
                assertEquals(99, reader.region().getLong(8));
            }
        }
    }

    @Test
    void whatIsRefused() throws Exception {
        try (Ends.Pair pair = Ends.unix();
                SharedRegion shared = SharedRegion.create(4096)) {
            shared.seal(Seal.SHRINK);
            errno(() -> shared.send(pair.near(), Peer.process(1)));
            errno(() -> SharedRegion.receive(pair.far(), Peer.user(4_000_000_000L)));
            shared.send(pair.near(), Peer.anyone());
            errno(() -> SharedRegion.receive(pair.far(), Peer.anyone(), Seal.GROW));
            Ends.writeAll(pair.near(), "no memory, but these bytes".getBytes());
            errno(() -> SharedRegion.receive(pair.far(), Peer.anyone()));
            pair.far().read(ByteBuffer.allocate(100));
            pair.near().close();
            assertEquals(104, errno(() -> SharedRegion.receive(pair.far(), Peer.anyone())));
            assertThrowsExactly(ClosedChannelException.class, () -> shared.send(pair.near(), Peer.anyone()));
            assertThrowsExactly(IllegalArgumentException.class, () -> Peer.user(-1));
            assertThrowsExactly(IllegalArgumentException.class, () -> Peer.process(0));
        }
        try (SocketChannel unconnected = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            assertThrowsExactly(NotYetConnectedException.class, () -> SharedRegion.receive(unconnected, Peer.anyone()));
        }
    }

    @Test
    void aReceiverThatWaitsIsInterruptedOrClosed() throws Exception {
        for (boolean interrupt : new boolean[] {true, false}) {
            try (Ends.Pair pair = Ends.unix()) {
                CompletableFuture<Thread> thread = new CompletableFuture<>();
                CompletableFuture<SharedRegion> received = Ends.background(() -> {
                    thread.complete(Thread.currentThread());
                    return SharedRegion.receive(pair.far(), Peer.anyone());
                });
                Thread waiting = thread.get();
                Ends.awaitAtWork(waiting);
                Thread.sleep(150);
                long start = System.nanoTime();
                if (interrupt) {
                    waiting.interrupt();
                } else {
                    pair.far().close();
                }
                ExecutionException e = org.junit.jupiter.api.Assertions.assertThrows(ExecutionException.class, received::get);
                assertEquals(
                        interrupt ? ClosedByInterruptException.class : AsynchronousCloseException.class,
                        e.getCause().getClass());
                assertTrue(System.nanoTime() - start < 20_000_000_000L);
                assertFalse(pair.far().isOpen());
            }
        }
    }

    @Test
    void betweenTwoJvms() throws Exception {
        long size = 64 << 20;
        Path path = directory.resolve("socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            CompletableFuture<String> other =
                    Ends.background(() -> Child.of(Other.class, path.toString()).run());
            try (SocketChannel socket = server.accept();
                    SharedRegion shared = SharedRegion.create(size)) {
                for (long at = 0; at < size; at += 8) {
                    shared.region().putLong(at, at * 0x9e3779b97f4a7c15L);
                }
                shared.seal(Seal.SHRINK);
                shared.send(socket, Peer.sameUser());
                try (SharedRegion answer = SharedRegion.receive(socket, Peer.sameUser(), Seal.WRITE)) {
                    for (long at = 0; at < size; at += 8) {
                        assertEquals(~(at * 0x9e3779b97f4a7c15L), answer.region().getLong(at));
                    }
                    assertEquals(-1, shared.region().getLong(0), "the other one wrote there");
                }
            }
            assertTrue(Ends.result(other).contains("done"));
        }
    }

    /** The other JVM: sends back new memory with every bit turned round. */
    static final class Other {
        private Other() {}

        public static void main(String[] arguments) throws Exception {
            try (SocketChannel socket = SocketChannel.open(UnixDomainSocketAddress.of(arguments[0]));
                    SharedRegion received = SharedRegion.receive(socket, Peer.sameUser());
                    SharedRegion answer = SharedRegion.create(received.region().size())) {
                for (long at = 0; at < received.region().size(); at += 8) {
                    answer.region().putLong(at, ~received.region().getLong(at));
                }
                received.region().putLong(0, -1);
                answer.seal(Seal.SHRINK, Seal.WRITE);
                answer.send(socket, Peer.sameUser());
            }
            System.out.println("done");
        }
    }
}
