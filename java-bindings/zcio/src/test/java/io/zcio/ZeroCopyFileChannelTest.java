package io.zcio;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.StandardSocketOptions;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SocketChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.io.TempDir;

/** What a {@link ZeroCopyFileChannel} has beyond NIO. */
@Timeout(300)
class ZeroCopyFileChannelTest {
    private static final byte[] CONTENT = Ends.pattern(1_000_000);

    @TempDir
    Path directory;

    private Path source() throws IOException {
        return Files.write(directory.resolve("source"), CONTENT);
    }

    /** With what a channel of ours has beyond one of the JDK's. */
    private static ZeroCopyFileChannel open(Path path, OpenOption... options) throws IOException {
        return (ZeroCopyFileChannel) ZeroCopyFileChannel.open(path, options);
    }

    @Test
    void itIsAnEndOfATransfer() throws Exception {
        Path path = directory.resolve("sink");
        try (FileChannel from = ZeroCopyFileChannel.open(source());
                FileChannel to = ZeroCopyFileChannel.open(path, WRITE, CREATE)) {
            Report report = Transfer.from(from).to(to).mechanism(Mechanism.SENDFILE).run();
            assertEquals(Mechanism.SENDFILE, report.mechanism());
            assertEquals(CONTENT.length, from.position());
            assertEquals(CONTENT.length, to.position());
            assertArrayEquals(CONTENT, Files.readAllBytes(path));
            Thread.currentThread().interrupt();
            assertThrowsExactly(ClosedByInterruptException.class, () -> Transfer.from(from).to(to).run());
            assertTrue(Thread.interrupted());
            assertFalse(from.isOpen() || to.isOpen());
            assertThrowsExactly(ClosedChannelException.class, () -> Transfer.from(from).to(to).run());
        }
    }

    @Test
    void aChannelThatIsOpenAlready() throws Exception {
        Path path = directory.resolve("sink");
        try (RandomAccessFile file = new RandomAccessFile(source().toFile(), "r");
                ZeroCopyFileChannel from = ZeroCopyFileChannel.of(file.getChannel());
                ZeroCopyFileChannel to = ZeroCopyFileChannel.of(FileChannel.open(path, WRITE, CREATE))) {
            assertEquals(CONTENT.length, from.transferTo(0, CONTENT.length, to));
            assertArrayEquals(CONTENT, Files.readAllBytes(path));
            assertThrowsExactly(NonWritableChannelException.class, () -> from.transferFrom(from, 0, 1));
            assertThrowsExactly(NonReadableChannelException.class, () -> to.transferTo(0, 1, to));
            from.close();
            assertThrowsExactly(IOException.class, file::length);
            assertThrowsExactly(ClosedChannelException.class, () -> ZeroCopyFileChannel.of(file.getChannel()));
            assertThrowsExactly(IllegalArgumentException.class, () -> ZeroCopyFileChannel.of(to));
        }
    }

    @Test
    void aSmallTransferIsOneSystemCallInTheClosingProtocol() {
        // Without it the small path would silently not be taken, and everything would still work.
        assertTrue(CloseProtocol.AVAILABLE, "this JDK has other methods: " + Runtime.version());
    }

    @Test
    void theJdksOwnChannelCanBeHad() throws Exception {
        try (FileChannel own = FileChannel.open(source()); ZeroCopyFileChannel channel = ZeroCopyFileChannel.of(own)) {
            assertSame(own, channel.jdkChannel());
        }
        try (ZeroCopyFileChannel channel = open(source())) {
            assertEquals("sun.nio.ch.FileChannelImpl", channel.jdkChannel().getClass().getName());
        }
    }

    /** Whether nothing of them is in memory; sees to it for the next time. */
    private static boolean isCold(ZeroCopyFileChannel... files) throws Exception {
        boolean cold = true;
        for (ZeroCopyFileChannel file : files) {
            cold &= file.residency(0, CONTENT.length).present() == 0;
            file.evict(0, Long.MAX_VALUE);
        }
        return cold;
    }

    @Test
    void thePageCacheIsLeftAsThePolicySays() throws Exception {
        Path from = Ends.fileOnDisk("zcio-test");
        Path to = Ends.fileOnDisk("zcio-test");
        try (ZeroCopyFileChannel source = open(from, READ, WRITE);
                ZeroCopyFileChannel sink = open(to, READ, WRITE)) {
            source.write(ByteBuffer.wrap(CONTENT));
            source.force(true);
            assertEquals(CachePolicy.NONE, source.cachePolicy());
            assertTrue(Ends.inAttempts(() -> source.transferTo(0, CONTENT.length, sink.position(0)) == CONTENT.length
                    && source.residency(0, CONTENT.length).isComplete()));
            assertSame(source, source.cachePolicy(new CachePolicy(1 << 20, true)));
            assertEquals(new CachePolicy(1 << 20, true), source.cachePolicy());
            assertThrowsExactly(NullPointerException.class, () -> source.cachePolicy(null));
            source.evict(0, Long.MAX_VALUE);
            Assumptions.assumeFalse(source.residency(0, 4096).isComplete(), "no disk behind the cache of the file");

            assertTrue(Ends.inAttempts(() -> isCold(source, sink)
                    && source.transferTo(0, CONTENT.length, sink.position(0)) == CONTENT.length
                    && isCold(source, sink)));
            // What somebody else has read stays.
            assertTrue(Ends.inAttempts(() -> isCold(source, sink) && source.read(ByteBuffer.allocate(100_000), 0) == 100_000
                    && source.transferTo(0, CONTENT.length, sink.position(0)) == CONTENT.length
                    && source.residency(0, 100_000).isComplete()
                    && isCold(sink)));
            // The policy is the channel's, in both directions, and to sockets, where few bytes have a way of their own.
            sink.cachePolicy(new CachePolicy(0, true));
            assertTrue(Ends.inAttempts(() -> isCold(source, sink)
                    && sink.transferFrom(source.position(0), 0, CONTENT.length) == CONTENT.length
                    && isCold(sink)));
            try (Ends.Pair pair = Ends.tcp()) {
                // What is in a socket's queues is the file's own pages, which stay: they are narrow.
                pair.near().setOption(StandardSocketOptions.SO_SNDBUF, 32 << 10);
                pair.far().setOption(StandardSocketOptions.SO_RCVBUF, 32 << 10);
                var received = Ends.background(() -> Ends.readAll(pair.far()));
                assertEquals(400_000, sink.transferTo(0, 400_000, pair.near()));
                assertTrue(sink.residency(0, 400_000).present() < 50, "the policy was not asked");
                pair.near().close();
                assertArrayEquals(Arrays.copyOf(CONTENT, 400_000), Ends.result(received));
            }
            sink.cachePolicy(CachePolicy.NONE);
            assertTrue(Ends.inAttempts(() -> sink.transferFrom(source.position(0), 0, CONTENT.length) == CONTENT.length
                    && sink.residency(0, CONTENT.length).isComplete()));
            assertArrayEquals(CONTENT, Files.readAllBytes(to));
        } finally {
            Files.delete(from);
            Files.delete(to);
        }
    }

    @Test
    void aRegionOfTheFileOutlivesTheChannel() throws Exception {
        Path path = source();
        MappedRegion region;
        try (ZeroCopyFileChannel file = open(path, READ, WRITE)) {
            region = file.mapRegion(MapMode.READ_WRITE, 4095, 10_000);
            assertThrowsExactly(
                    IllegalArgumentException.class, () -> file.mapRegion(MapMode.READ_ONLY, CONTENT.length - 5, 6));
            assertThrowsExactly(IllegalArgumentException.class, () -> file.mapRegion(MapMode.READ_ONLY, -1, 6));
            assertEquals(CONTENT.length, file.size(), "the file is not made longer");
            file.close();
            assertThrowsExactly(ClosedChannelException.class, () -> file.mapRegion(MapMode.READ_ONLY, 0, 1));
        }
        byte[] expected = CONTENT.clone();
        try (region) {
            byte[] read = new byte[10_000];
            region.read(0, read, 0, read.length);
            assertArrayEquals(Arrays.copyOfRange(CONTENT, 4095, 14_095), read);
            region.put(1, expected[4096] = (byte) ~CONTENT[4096]);
        }
        assertArrayEquals(expected, Files.readAllBytes(path));
        try (ZeroCopyFileChannel readable = open(path);
                ZeroCopyFileChannel writable = open(path, WRITE);
                MappedRegion copy = readable.mapRegion(MapMode.PRIVATE, 0, 1)) {
            copy.put(0, (byte) ~CONTENT[0]);
            assertThrowsExactly(NonWritableChannelException.class, () -> readable.mapRegion(MapMode.READ_WRITE, 0, 1));
            assertThrowsExactly(NonReadableChannelException.class, () -> writable.mapRegion(MapMode.READ_ONLY, 0, 1));
        }
        assertArrayEquals(expected, Files.readAllBytes(path));
    }

    @Test
    void residencyPrefetchAndEviction() throws Exception {
        // On a disk, as far as there is one: a tmpfs has no other place for its pages.
        Path path = Ends.fileOnDisk("zcio-test");
        try (ZeroCopyFileChannel file = open(path, READ, WRITE)) {
            file.write(ByteBuffer.wrap(CONTENT));
            long pages = (CONTENT.length + 4095) / 4096;
            ByteBuffer read = ByteBuffer.allocate(CONTENT.length);
            assertTrue(Ends.inAttempts(() -> {
                file.read(read.clear(), 0);
                FileResidency whole = file.residency(0, 1L << 40);
                return whole.equals(new FileResidency(pages, pages, file.residency(0, 1).countedBy()))
                        && file.residency(0, 1).isComplete();
            }));
            assertEquals(2, file.residency(4095, 2).total());
            file.evict(0, Long.MAX_VALUE);
            Assumptions.assumeFalse(file.residency(0, 4096).isComplete(), "no disk behind the cache of the file");
            assertTrue(Ends.inAttempts(() -> {
                file.evict(0, Long.MAX_VALUE);
                return file.residency(0, CONTENT.length).present() == 0;
            }));
            for (long began = System.nanoTime(); !file.residency(0, 100 * 4096).isComplete(); Thread.sleep(1)) {
                assertTrue(System.nanoTime() - began < 40_000_000_000L, "never read");
                file.prefetch(0, 100 * 4096);
            }
            assertTrue(Ends.inAttempts(() -> {
                file.evict(0, Long.MAX_VALUE);
                assertEquals(CONTENT.length - 10, file.load(10, Long.MAX_VALUE - 10).get());
                return file.residency(0, CONTENT.length).isComplete();
            }));
            assertEquals(0, file.load(CONTENT.length, 5).get());
            assertThrowsExactly(IllegalArgumentException.class, () -> file.prefetch(-1, 1));
            assertThrowsExactly(IllegalArgumentException.class, () -> file.load(-1, 1));
            file.read(read.clear(), 0);
            assertArrayEquals(CONTENT, read.array());
            file.close();
            assertThrowsExactly(ClosedChannelException.class, () -> file.residency(0, 1));
            assertThrowsExactly(ClosedChannelException.class, () -> file.prefetch(0, 1));
            assertThrowsExactly(ClosedChannelException.class, () -> file.evict(0, 1));
        } finally {
            Files.delete(path);
        }
    }

    @Test
    void aCloneWhereTheFileSystemCan() throws Exception {
        Path path = directory.resolve("sink");
        try (ZeroCopyFileChannel from = open(source());
                ZeroCopyFileChannel to = open(path, READ, WRITE, CREATE)) {
            try {
                Report report = to.cloneFrom(from, 0, 0, CONTENT.length);
                assertEquals(Mechanism.REFLINK, report.mechanism());
                assertArrayEquals(CONTENT, Files.readAllBytes(path));
            } catch (TransferException e) {
                // EOPNOTSUPP on ext4 and tmpfs: said, and nothing else tried.
                assertEquals(95, e.errno().getAsInt(), e.toString());
                assertEquals(0, to.size());
            }
            assertEquals(0, from.position());
            assertEquals(0, to.position());
        }
    }

    @Test
    void aFileOfAnotherFileSystemProviderHasNoDescriptorAndWorks() throws Exception {
        URI archive = URI.create("jar:" + directory.resolve("archive.zip").toUri());
        try (var zip = FileSystems.newFileSystem(archive, Map.of("create", "true"))) {
            Path inside = zip.getPath("/entry");
            Files.write(inside, CONTENT);
            try (FileChannel file = ZeroCopyFileChannel.open(inside);
                    Ends.Sink sink = new Ends.Sink(Ends.Kind.TCP, null)) {
                assertEquals(CONTENT.length, file.transferTo(0, Long.MAX_VALUE, (SocketChannel) sink.end));
                assertArrayEquals(CONTENT, sink.received());
            }
        }
    }

    /** The small path, closed at either end or interrupted at any moment: never a hang, and every byte is accounted for. */
    @Test
    void stoppedInTheMiddleOfSmallTransfers() throws Exception {
        int rounds = System.getenv("ZCIO_LARGE") == null ? 150 : 3000;
        for (int round = 0; round < rounds; round++) {
            FileChannel file = ZeroCopyFileChannel.open(source());
            try (Ends.Pair pair = Ends.tcp()) {
                var drained = Ends.background(() -> Ends.drain(pair.far()));
                long[] bytes = {0};
                Throwable[] ended = {null};
                Thread sender = new Thread(() -> {
                    try {
                        while (true) {
                            bytes[0] += file.transferTo(0, 4096, pair.near());
                        }
                    } catch (Throwable e) {
                        ended[0] = e;
                    }
                });
                sender.start();
                Thread.sleep(0, 100_000 * (round % 10));
                switch (round % 3) {
                    case 0 -> file.close();
                    case 1 -> pair.near().close();
                    default -> sender.interrupt();
                }
                sender.join(30_000);
                assertFalse(sender.isAlive(), "hangs in round " + round);
                assertInstanceOf(ClosedChannelException.class, ended[0]);
                assertEquals(round % 3 == 2, ended[0] instanceof ClosedByInterruptException);
                assertEquals(round % 3 == 1, file.isOpen());
                pair.near().close();
                // What went out in the call that was stopped is in nobody's count.
                long uncounted = Ends.result(drained) - bytes[0];
                assertTrue(uncounted >= 0 && uncounted <= 4096, uncounted + " bytes in round " + round);
            } finally {
                file.close();
            }
        }
    }

    /** Maps a file into an arena, by reflection: these types are not there on 17. Prints what it found. */
    static final class ArenaProbe {
        public static void main(String[] arguments) throws Exception {
            Class<?> arenas = Class.forName("java.lang.foreign.Arena");
            Class<?> segments = Class.forName("java.lang.foreign.MemorySegment");
            try (AutoCloseable arena = (AutoCloseable) arenas.getMethod("ofConfined").invoke(null);
                    FileChannel file = ZeroCopyFileChannel.open(Path.of(arguments[0]))) {
                Object segment = FileChannel.class
                        .getMethod("map", FileChannel.MapMode.class, long.class, long.class, arenas)
                        .invoke(file, FileChannel.MapMode.READ_ONLY, 1L, 999_999L, arena);
                ByteBuffer view = (ByteBuffer) segments.getMethod("asByteBuffer").invoke(segment);
                System.out.println("mapped " + view.remaining() + " bytes, the last is " + view.get(999_998));
            }
        }
    }

    @Test
    @EnabledForJreRange(min = JRE.JAVA_22)
    void aMappingIntoAnArenaOnNewerJdks() throws Exception {
        // In a process of its own, with zcio on the class path: only in a jar are META-INF/versions looked at.
        String said = Child.of(ArenaProbe.class, source().toString()).run();
        assertTrue(said.contains("mapped 999999 bytes, the last is " + CONTENT[999_999]), said);
    }

    @Test
    void nothingIsKeptInProportionToWhatIsMoved() throws Exception {
        // 8 MiB of direct memory are enough for as many threads as there are, one after another.
        try (FileChannel file = ZeroCopyFileChannel.open(source())) {
            for (int i = 0; i < 200; i++) {
                var sent = Ends.background(() -> file.transferTo(0, 500_000, new ThirdParty(new byte[0], 500_000, 500_000)));
                assertEquals(500_000, Ends.result(sent));
            }
        }
    }
}
