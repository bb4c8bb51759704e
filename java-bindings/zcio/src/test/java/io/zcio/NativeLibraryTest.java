package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the native library is put, what is trusted there, and what the user is told when it cannot be loaded. */
class NativeLibraryTest {
    private static final byte[] CONTENT = Ends.pattern(10_000);

    @TempDir
    Path directory;

    /** Loads the library in a process of its own. */
    static final class Probe {
        public static void main(String[] arguments) {
            System.out.println("loaded, " + Native.address(ByteBuffer.allocate(1)));
        }
    }

    /** The library that the jar carries for this machine. */
    private static Path jarsLibrary(Path copy) throws IOException {
        String platform = System.getProperty("os.arch").replace("amd64", "x86_64");
        try (InputStream content = Transfer.class.getResourceAsStream("native/linux-" + platform + "/libzcio_jni.so")) {
            Files.copy(content, copy);
        }
        return copy;
    }

    private static List<Path> filesBelow(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    private static Path extract(Path directory) throws IOException {
        return Extraction.extract(directory, new ByteArrayInputStream(CONTENT), "1.2.3");
    }

    private static Object user() throws IOException {
        return Files.getAttribute(Path.of("/proc/self"), "unix:uid");
    }

    @Test
    void eachTimeItIsExtractedUnderANameThatCannotBeGuessed() throws Exception {
        Path library = extract(directory);
        assertTrue(library.getFileName().toString().matches("libzcio_jni-1\\.2\\.3-[0-9a-f]{32}\\.so"), library.toString());
        assertArrayEquals(CONTENT, Files.readAllBytes(library));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(library)));
        assertNotEquals(library, extract(directory));
    }

    @Test
    void whatWasLeftLongAgoIsRemovedAndNothingElse() throws Exception {
        Path left = extract(directory);
        Path older = Files.write(directory.resolve("libzcio_jni-0.1.0-0123abcd.so"), CONTENT);
        Path given = Files.write(directory.resolve("libzcio_jni.so"), CONTENT);
        Path other = Files.write(directory.resolve("libsomething-0.1.0-0123abcd.so"), CONTENT);
        for (Path file : List.of(left, older, given, other)) {
            Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(Duration.ofHours(2))));
        }
        Path recent = extract(directory);
        Path library = extract(directory);
        assertEquals(Set.of(given, other, recent, library), Set.copyOf(filesBelow(directory)));
    }

    @Test
    void inADirectoryThatOthersCanWriteToItHasOneOfItsOwn() throws Exception {
        // A volume in a container, without and with a group of its own.
        for (int mode : new int[] {0777, 02775}) {
            Path volume = Files.createDirectory(directory.resolve("volume" + mode));
            Files.setAttribute(volume, "unix:mode", mode);
            String said = Child.of(Probe.class).property(NativeLibrary.DIRECTORY, volume).run();
            assertTrue(said.contains("loaded, "), said);
            Path own = volume.resolve("zcio-" + user());
            assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(own)));
            // Where nobody's rights can be taken away: as on some network file systems.
            Files.setAttribute(own, "unix:mode", 0777);
            said = Child.of(Probe.class).property(NativeLibrary.DIRECTORY, volume).status(1).run();
            assertTrue(said.contains(own + " is not a directory that only this user can write to"), said);
        }
        // As /tmp itself: nobody can replace what is another's there.
        Path sticky = Files.createDirectory(directory.resolve("sticky"));
        Files.setAttribute(sticky, "unix:mode", 01777);
        Child.of(Probe.class).property(NativeLibrary.DIRECTORY, sticky).run();
        assertTrue(Files.notExists(sticky.resolve("zcio-" + user())));
    }

    @Test
    void whatAnotherUserPlantedIsNotUsed() throws Exception {
        Require.that(user().equals(0), "no right to give a file away (chown)");
        Path planted = Files.createDirectory(directory.resolve("zcio-0"));
        Files.setAttribute(planted, "unix:uid", 12345);
        String said = Child.of(Probe.class).property("java.io.tmpdir", directory).status(1).run();
        assertTrue(said.contains(NativeLibrary.DIRECTORY), said);
        assertEquals(List.of(), filesBelow(planted));
        Files.delete(planted);
        Files.createSymbolicLink(planted, Files.createDirectory(directory.resolve("elsewhere")));
        said = Child.of(Probe.class).property("java.io.tmpdir", directory).status(1).run();
        assertTrue(said.contains(NativeLibrary.DIRECTORY), said);
    }

    @Test
    void theDefaultIsADirectoryOfTheUsersOwnAndNothingIsLeftInIt() throws Exception {
        for (int i = 0; i < 2; i++) {
            String said = Child.of(Probe.class).property("java.io.tmpdir", directory).run();
            assertTrue(said.contains("loaded, "), said);
            assertEquals(List.of(), filesBelow(directory));
        }
        Path own = directory.resolve("zcio-" + user());
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(own)));
    }

    @Test
    void aTemporaryDirectoryMountedNoexec() throws Exception {
        Path mounted = directory.resolve("noexec");
        try (var mount = Require.mount(mounted, "noexec")) {
            String said = Child.of(Probe.class).property("java.io.tmpdir", mounted).status(1).run();
            assertTrue(said.contains("-D" + NativeLibrary.DIRECTORY + "="), said);
            assertTrue(said.contains("-D" + NativeLibrary.PATH + "="), said);
            Path elsewhere = directory.resolve("elsewhere");
            said = Child.of(Probe.class)
                    .property("java.io.tmpdir", mounted)
                    .property(NativeLibrary.DIRECTORY, elsewhere)
                    .run();
            assertTrue(said.contains("loaded, "), said);
            assertEquals(List.of(), filesBelow(mounted));
        }
    }

    @Test
    void anExactPath() throws Exception {
        Path library = jarsLibrary(directory.resolve("renamed.so"));
        Path unused = directory.resolve("unused");
        String said = Child.of(Probe.class)
                .property(NativeLibrary.PATH, library)
                .property(NativeLibrary.DIRECTORY, unused)
                .run();
        assertTrue(said.contains("loaded, "), said);
        assertTrue(Files.notExists(unused));
        said = Child.of(Probe.class).property(NativeLibrary.PATH, directory.resolve("none.so")).status(1).run();
        assertTrue(said.contains("none.so") && said.contains(NativeLibrary.PATH), said);
    }

    /** An interrupt is of the operation that it is meant for. */
    static final class Interrupted {
        public static void main(String[] arguments) throws Exception {
            Thread.currentThread().interrupt();
            MappedRegion.anonymous(1).close();
            try {
                Transfer.from(Path.of("/etc/passwd")).to(Path.of("/dev/null")).run();
            } catch (java.nio.channels.ClosedByInterruptException e) {
                System.out.println("interrupted: " + Thread.interrupted());
            }
        }
    }

    @Test
    void theFirstThreadIsInterrupted() throws Exception {
        assertEquals("interrupted: true\n", Child.of(Interrupted.class).property(NativeLibrary.DIRECTORY, directory).run());
    }
}
