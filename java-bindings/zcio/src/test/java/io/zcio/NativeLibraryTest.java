package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
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
            System.out.println("loaded, " + Native.mechanisms().length + " mechanisms");
        }
    }

    private static List<Path> filesBelow(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    @Test
    void itIsExtractedOnceUnderANameMadeOfItsContent() throws Exception {
        Path library = NativeLibrary.extract(directory, CONTENT, "1.2.3");
        assertTrue(library.getFileName().toString().matches("libzcio_jni-1\\.2\\.3-[0-9a-f]{8}\\.so"), library.toString());
        assertArrayEquals(CONTENT, Files.readAllBytes(library));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(library)));
        Files.setLastModifiedTime(library, FileTime.fromMillis(1000));
        assertEquals(library, NativeLibrary.extract(directory, CONTENT, "1.2.3"));
        assertEquals(1000, Files.getLastModifiedTime(library).toMillis());
        assertNotEquals(library, NativeLibrary.extract(directory, Ends.pattern(9_999), "1.2.3"));
        assertEquals(2, filesBelow(directory).size());
    }

    @Test
    void aFileThatIsNotTheJarsIsReplaced() throws Exception {
        Path library = NativeLibrary.extract(directory, CONTENT, "1");
        Files.write(library, new byte[] {1});
        assertArrayEquals(CONTENT, Files.readAllBytes(NativeLibrary.extract(directory, CONTENT, "1")));
        Files.setPosixFilePermissions(library, PosixFilePermissions.fromString("rw-rw-rw-"));
        NativeLibrary.extract(directory, CONTENT, "1");
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(library)));
        // A link could be turned elsewhere after it was looked at.
        Path elsewhere = Files.write(directory.resolve("elsewhere"), CONTENT);
        Files.delete(library);
        Files.createSymbolicLink(library, elsewhere);
        NativeLibrary.extract(directory, CONTENT, "1");
        assertTrue(!Files.isSymbolicLink(library));
    }

    @Test
    void aDirectoryThatOthersCanWriteToIsRefused() throws Exception {
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThrows(IOException.class, () -> NativeLibrary.extract(directory, CONTENT, "1"));
        // As /tmp itself: nobody can replace what is another's there.
        Files.setAttribute(directory, "unix:mode", 01777);
        NativeLibrary.extract(directory, CONTENT, "1");
    }

    @Test
    void whatAnotherUserPlantedIsNotLoaded() throws Exception {
        Require.that(Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0), "no right to give a file away (chown)");
        Path library = NativeLibrary.extract(directory, CONTENT, "1");
        Files.setAttribute(library, "unix:uid", 12345);
        NativeLibrary.extract(directory, CONTENT, "1");
        assertEquals(0, Files.getAttribute(library, "unix:uid"));
        Path planted = Files.createDirectory(directory.resolve("zcio-0"));
        Files.setAttribute(planted, "unix:uid", 12345);
        String said = Child.of(Probe.class).property("java.io.tmpdir", directory).status(1).run();
        assertTrue(said.contains(NativeLibrary.DIRECTORY), said);
        assertEquals(List.of(), filesBelow(planted));
    }

    @Test
    void theDefaultIsADirectoryOfTheUsersOwn() throws Exception {
        for (int i = 0; i < 2; i++) {
            String said = Child.of(Probe.class).property("java.io.tmpdir", directory).run();
            assertTrue(said.contains("loaded, "), said);
            assertEquals(1, filesBelow(directory).size());
        }
        Path own = filesBelow(directory).get(0).getParent();
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(own)));
        assertTrue(own.getFileName().toString().startsWith("zcio-"), own.toString());
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
            assertEquals(1, filesBelow(elsewhere).size());
        }
    }

    @Test
    void anExactPath() throws Exception {
        Child.of(Probe.class).property(NativeLibrary.DIRECTORY, directory).run();
        Path library = Files.move(filesBelow(directory).get(0), directory.resolve("renamed.so"));
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
}
