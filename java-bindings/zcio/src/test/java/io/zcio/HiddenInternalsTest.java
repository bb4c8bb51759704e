package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.Pipe;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What zcio knows of the JDK's own classes: a runtime in which one of these members has another name loses only what needs it, and
 * nobody gets more than these members out of zcio by reflection.
 */
class HiddenInternalsTest {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    @TempDir
    Path directory;

    /** Uses zcio, and says of each use whether it works. */
    static final class Program {
        private interface Use {
            byte[] run() throws Exception;
        }

        private static byte[] received(Path sink, Use use) throws Exception {
            use.run();
            return Files.readAllBytes(sink);
        }

        private static Map<String, Use> uses(Path directory) throws Exception {
            Path source = Files.write(directory.resolve("source"), CONTENT);
            Path sink = Files.createFile(directory.resolve("sink"));
            Map<String, Use> uses = new LinkedHashMap<>();
            uses.put("paths", () -> received(sink, () -> {
                Transfer.from(source).to(sink).run();
                return null;
            }));
            uses.put("file", () -> received(sink, () -> {
                try (FileChannel file = FileChannel.open(source)) {
                    Transfer.from(file).to(sink).run();
                    return null;
                }
            }));
            uses.put("socket", () -> {
                try (Ends.Pair pair = Ends.tcp()) {
                    var received = Ends.background(() -> Ends.readAll(pair.far()));
                    Transfer.from(source).to(pair.near()).run();
                    pair.near().close();
                    return Ends.result(received);
                }
            });
            uses.put("pipe", () -> {
                Pipe pipe = Pipe.open();
                var received = Ends.background(() -> Ends.readAll(pipe.source()));
                Transfer.from(source).to(pipe.sink()).run();
                pipe.sink().close();
                return Ends.result(received);
            });
            uses.put("buffer", () -> received(sink, () -> {
                Transfer.from(ByteBuffer.allocateDirect(CONTENT.length).put(CONTENT).flip()).to(sink).run();
                return null;
            }));
            uses.put("region", () -> {
                try (MappedRegion region = MappedRegion.open(source, MapMode.READ_ONLY)) {
                    byte[] content = new byte[CONTENT.length];
                    region.get(0, content, 0, content.length);
                    region.asByteBuffer(0, CONTENT.length).get(content);
                    Transfer.from(region, 0, CONTENT.length).to(sink).run();
                    return content;
                }
            });
            uses.put("channel of ours", () -> {
                try (FileChannel file = ZeroCopyFileChannel.open(source);
                        FileChannel copy = ZeroCopyFileChannel.open(sink, StandardOpenOption.WRITE);
                        Ends.Pair pair = Ends.tcp()) {
                    if (file.transferTo(0, CONTENT.length, copy) != CONTENT.length) {
                        throw new AssertionError("not all");
                    }
                    var received = Ends.background(() -> Ends.readAll(pair.far()));
                    for (long at = 0; at < CONTENT.length; ) {
                        at += file.transferTo(at, CONTENT.length - at, pair.near());
                    }
                    pair.near().close();
                    System.out.println(file.getClass().getSimpleName());
                    return Ends.result(received);
                }
            });
            return uses;
        }

        public static void main(String[] arguments) throws Exception {
            for (var use : uses(Path.of(arguments[0])).entrySet()) {
                try {
                    boolean right = Arrays.equals(use.getValue().run(), CONTENT);
                    System.out.println(use.getKey() + (right ? " works" : " gives other bytes"));
                } catch (IllegalStateException e) {
                    System.out.println(use.getKey() + " refused: " + e.getMessage());
                } catch (Throwable e) {
                    System.out.println(use.getKey() + " fails: " + e);
                }
            }
        }
    }

    /** The classes of java.base in which that name stands for something, with another in its place, for --patch-module. */
    private Path patch(String classes, String name) throws IOException {
        byte[] wanted = constant(name);
        byte[] other = constant("_" + name.substring(1));
        Path base = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules/java.base");
        Path patched = directory.resolve("patched");
        int count = 0;
        try (var all = Files.walk(base)) {
            for (Path file : (Iterable<Path>) all.filter(each -> each.toString().endsWith(".class"))::iterator) {
                String type = base.relativize(file).toString().replaceFirst("\\.class$", "");
                if (type.matches(classes)) {
                    byte[] renamed = replaced(Files.readAllBytes(file), wanted, other);
                    if (renamed != null) {
                        Path into = patched.resolve(type + ".class");
                        Files.createDirectories(into.getParent());
                        Files.write(into, renamed);
                        count++;
                    }
                }
            }
        }
        return count == 0 ? null : patched;
    }

    /** As it stands in a class file's pool of constants. */
    private static byte[] constant(String name) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(1);
        bytes.write(0);
        bytes.write(name.length());
        bytes.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
        return bytes.toByteArray();
    }

    private static byte[] replaced(byte[] content, byte[] wanted, byte[] other) {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        String found = new String(wanted, StandardCharsets.ISO_8859_1);
        if (!text.contains(found)) {
            return null;
        }
        return text.replace(found, new String(other, StandardCharsets.ISO_8859_1)).getBytes(StandardCharsets.ISO_8859_1);
    }

    /** A member, the classes that know it, and the uses that are refused without it; elsewhere another way is taken. */
    @ParameterizedTest
    @CsvSource({
        "fd, sun/nio/ch/FileChannelImpl.*, file",
        "threads, sun/nio/ch/FileChannelImpl.*, file",
        "positionLock, sun/nio/ch/FileChannelImpl.*, ''",
        "setUninterruptible, ALL, ''",
        "writeLock, sun/nio/ch/SocketChannelImpl.*, ''",
        "writeLock, sun/nio/ch/SinkChannelImpl.*, ''",
        "readLock, sun/nio/ch/SocketChannelImpl.*, ''",
        "beginWrite, sun/nio/ch/S(ocket|ink)ChannelImpl.*, ''",
        "endWrite, sun/nio/ch/S(ocket|ink)ChannelImpl.*, ''",
        "isInputOpen, sun/nio/ch/Socket.*, ''",
        "getFDVal, ALL, socket pipe",
        "acquireSession, ALL, buffer",
        "acquireScope, ALL, buffer",
        "getJavaNioAccess, ALL, buffer",
        "newMappedByteBuffer, ALL, ''",
        "newMappedByteBufferR, ALL, ''",
    })
    void aMemberThatHasAnotherName(String name, String classes, String refused) throws Exception {
        int version = Runtime.version().feature();
        Assumptions.assumeTrue(!name.equals("fd") || version > 17, "17 itself looks it up, from native code");
        Assumptions.assumeTrue(!name.equals("acquireScope") || version < 20, "of older JDKs");
        Path patched = patch(classes.equals("ALL") ? ".*" : classes, name);
        Assumptions.assumeTrue(patched != null, "there is none on this JDK");
        String said = Child.of(Program.class, directory.toString())
                .option("--patch-module=java.base=" + patched)
                .option("-Xshare:auto")
                .run();
        Set<String> not = new TreeSet<>(Set.of(refused.split(" ")));
        not.remove("");
        Set<String> refusals = new TreeSet<>();
        for (String line : said.lines().toList()) {
            if (line.contains(" refused: ") && line.contains("zcio does not know this Java runtime")) {
                refusals.add(line.split(" refused: ")[0]);
            }
        }
        assertEquals(not, refusals, said);
        assertEquals(7, said.lines().filter(line -> line.endsWith(" works")).count() + not.size(), said);
        // What cannot hold the descriptor is none of ours.
        assertEquals(refused.equals("file"), said.contains("\nFileChannelImpl\n"), said);
    }

    @Test
    void noLookupThatSeesEverythingCanBeReached() throws Exception {
        assertTrue(Zcio.isAvailable());
        try (JarFile jar = new JarFile(Child.locationOf(Transfer.class).toFile())) {
            for (var entry : (Iterable<JarEntry>) jar.stream()::iterator) {
                String name = entry.getName().replaceFirst("\\.class$", "").replace('/', '.');
                if (!entry.getName().endsWith(".class") || name.matches("module-info|.*(Jdk22|Segment|Arena).*")) {
                    continue;
                }
                Class<?> type = Class.forName(name, false, getClass().getClassLoader());
                for (Field field : type.getDeclaredFields()) {
                    assertTrue(field.getType() != MethodHandles.Lookup.class, field.toString());
                }
                for (Method method : type.getDeclaredMethods()) {
                    assertTrue(method.getReturnType() != MethodHandles.Lookup.class, method.toString());
                }
            }
        }
        Method find = NativeInternals.class.getDeclaredMethod("find", String.class, String.class, MethodType.class, int.class);
        find.setAccessible(true);
        MethodType lookup = MethodType.methodType(MethodHandles.Lookup.class);
        assertNull(find.invoke(null, "java.lang.invoke.MethodHandles$Lookup", "IMPL_LOOKUP", lookup, 0));
        assertNull(find.invoke(null, "java.lang.String", "value", MethodType.methodType(byte[].class), 0));
        assertNull(find.invoke(null, "jdk.internal.misc.Unsafe", "getUnsafe", lookup, 2));
    }
}
