package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Closing: what the region says, what is left of it, and that no use of an old buffer takes the JVM down. */
class RegionCloseTest {
    private static final boolean LARGE = System.getenv("ZCIO_LARGE") != null;

    @TempDir
    Path directory;

    private String child(String options, String... arguments) throws Exception {
        return Child.of(RegionCloseProgram.class, arguments).environment("JDK_JAVA_OPTIONS", options).run();
    }

    @Test
    void oldBuffersInCompiledCode() throws Exception {
        assertTrue(child("-XX:-UseOnStackReplacement", directory.toString(), "afterwards", "21000").contains("alive"));
    }

    @Test
    void oldBuffersInInterpretedCode() throws Exception {
        assertTrue(child("-Xint", directory.toString(), "afterwards", "20").contains("alive"));
    }

    @Test
    void buffersInUseWhileTheRegionIsClosed() throws Exception {
        String rounds = LARGE ? "3000" : "120";
        assertTrue(child("-Dx=y", directory.toString(), "meanwhile", rounds).contains("alive"));
        assertTrue(child("-Xint", directory.toString(), "meanwhile", LARGE ? "500" : "20").contains("alive"));
    }

    @Test
    void aRefusedCloseIsTriedAgain() throws Exception {
        String said = Child.of(RegionMappingsProgram.class, directory.toString())
                .environment("JDK_JAVA_OPTIONS", "-Xint -XX:+UseSerialGC -Xms64m -Xmx64m -XX:+AlwaysPreTouch")
                .run();
        assertTrue(said.contains("(errno 12)"), said);
        assertTrue(said.contains("open false there true gone true"), said);
    }

    @Test
    void everyMethodOfAClosedRegion() throws Exception {
        Path file = Files.write(directory.resolve("file"), Ends.pattern(10_000));
        MappedRegion region = MappedRegion.open(file, MapMode.READ_WRITE);
        MappedRegion other = MappedRegion.anonymous(100);
        assertTrue(region.isOpen());
        region.close();
        region.close();
        assertFalse(region.isOpen());
        assertEquals(0, region.size());
        byte[] bytes = new byte[10];
        for (org.junit.jupiter.api.function.Executable use : new org.junit.jupiter.api.function.Executable[] {
            () -> region.get(0), () -> region.getInt(5), () -> region.putLong(9, 1), () -> region.put(1, (byte) 1),
            () -> region.getDouble(Long.MAX_VALUE), () -> region.getChar(-1),
            () -> region.get(0, bytes, 0, 10), () -> region.put(0, bytes, 0, 10), () -> region.get(0, bytes, 0, 0),
            () -> region.get(0, ByteBuffer.wrap(bytes)), () -> region.put(0, ByteBuffer.wrap(bytes)),
            () -> region.copyTo(0, other, 0, 1), () -> other.copyTo(0, region, 0, 1),
            () -> region.asByteBuffer(0, 0), () -> region.order(ByteOrder.LITTLE_ENDIAN),
            () -> region.advise(0, 0, Advice.NORMAL), () -> region.populate(0, 0, false), () -> region.load(0, 0),
            () -> region.isLoaded(0, 0), () -> region.residency(0, 0), () -> region.lock(0, 0),
            () -> region.lockOnFault(0, 0), () -> region.unlock(0, 0), () -> region.force(0, 0),
            () -> region.forceAsync(0, 0), () -> region.read(0, bytes, 0, 1), () -> region.write(0, bytes, 0, 1),
            region::check, () -> region.resize(1), () -> region.resizeWithFile(1)
        }) {
            assertThrowsExactly(IllegalStateException.class, use);
        }
        other.close();
    }

    @Test
    void theFileAndTheMemoryAreGivenBackAtOnce() throws Exception {
        Path file = Files.write(directory.resolve("file"), Ends.pattern(10_000));
        MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY);
        ByteBuffer view = region.asByteBuffer(1, 9000);
        assertTrue(isHeld(file));
        region.close();
        assertFalse(isHeld(file));
        RegionCloseProgram.assertEnded(view);

        long before = residentKilobytes();
        MappedRegion memory = MappedRegion.anonymous(200 << 20);
        memory.populate(0, memory.size(), true);
        MappedByteBuffer old = memory.asByteBuffer(0, 200 << 20);
        assertTrue(residentKilobytes() > before + 190_000);
        memory.close();
        assertTrue(residentKilobytes() < before + 50_000, "resident before and now: " + before + " " + residentKilobytes());
        RegionCloseProgram.assertEnded(old);
    }

    /** Whether this process has the file open or mapped. */
    private static boolean isHeld(Path file) throws Exception {
        if (Files.readString(Path.of("/proc/self/maps")).contains(file.toString())) {
            return true;
        }
        try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.anyMatch(descriptor -> {
                try {
                    return Files.readSymbolicLink(descriptor).equals(file);
                } catch (java.io.IOException e) {
                    return false;
                }
            });
        }
    }

    private static long residentKilobytes() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("RssAnon"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
    }

    @Test
    void manyRegionsLeaveNothingBehind() throws Exception {
        Path file = Files.write(directory.resolve("file"), Ends.pattern(10_000));
        int rounds = LARGE ? 200_000 : 5_000;
        for (int i = 0; i < rounds; i++) {
            MappedRegion region = MappedRegion.open(file, i % 2 == 0 ? MapMode.READ_ONLY : MapMode.PRIVATE);
            MappedByteBuffer view = region.asByteBuffer(i % 5000, 100);
            assertEquals(view.get(0), region.get(i % 5000));
            region.close();
        }
        assertFalse(isHeld(file));
        long mappings = 0;
        for (int i = 0; i < 3000; i++) {
            System.gc();
            Thread.sleep(20);
            mappings = Files.readAllLines(Path.of("/proc/self/maps")).size();
            if (mappings < 1500) {
                return;
            }
        }
        throw new AssertionError(mappings + " mappings are left");
    }

    @Test
    void memorySegments() throws Exception {
        if (Runtime.version().feature() < 22) {
            assertFalse(RegionCloseProgram.TOLD);
            return;
        }
        Require.that(RegionCloseProgram.TOLD, "no class for JDK 22 in this jar");
        byte[] content = Ends.pattern(10_000);
        Path file = Files.write(directory.resolve("file"), content);
        Class<?> type = Class.forName("java.lang.foreign.MemorySegment");
        Method asSegment = RegionCloseProgram.asSegment();
        for (MapMode mode : new MapMode[] {MapMode.READ_ONLY, MapMode.READ_WRITE}) {
            MappedRegion region = MappedRegion.open(file, mode);
            Object segment = asSegment.invoke(null, region, 100L, 5000L);
            assertEquals(5000L, type.getMethod("byteSize").invoke(segment));
            assertEquals(true, type.getMethod("isMapped").invoke(segment));
            assertEquals(mode == MapMode.READ_ONLY, type.getMethod("isReadOnly").invoke(segment));
            assertTrue(Ends.inAttempts(() -> {
                type.getMethod("load").invoke(segment);
                return (boolean) type.getMethod("isLoaded").invoke(segment);
            }));
            type.getMethod("force").invoke(segment);
            ByteBuffer buffer = (ByteBuffer) type.getMethod("asByteBuffer").invoke(segment);
            for (int i = 0; i < 5000; i++) {
                assertEquals(content[100 + i], buffer.get(i));
            }
            assertTrue(asSegmentFails(asSegment, region, 1, 10_000) instanceof IndexOutOfBoundsException);
            region.close();
            assertThrowsExactly(IllegalStateException.class, () -> buffer.get(0));
            Object scope = type.getMethod("scope").invoke(segment);
            assertEquals(false, Class.forName("java.lang.foreign.MemorySegment$Scope").getMethod("isAlive").invoke(scope));
            assertTrue(asSegmentFails(asSegment, region, 0, 1) instanceof IllegalStateException);
        }
    }

    private static Throwable asSegmentFails(Method asSegment, MappedRegion region, long offset, long size) throws Exception {
        try {
            asSegment.invoke(null, region, offset, size);
        } catch (InvocationTargetException e) {
            return e.getCause();
        }
        throw new AssertionError("no exception");
    }
}
