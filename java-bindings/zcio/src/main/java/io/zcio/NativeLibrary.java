package io.zcio;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.zip.CRC32;

/**
 * Finds the native library in the jar, puts it where it can be loaded from, and loads it. See the package's description for
 * the two properties.
 *
 * <p>What is loaded runs with all the rights of this process. So nothing is loaded from where another user could have put or
 * could change it: the directory and the file must belong to this user or to root and be writable by nobody else, and the
 * file's content must be the jar's.
 */
final class NativeLibrary {
    /** Names the directory to extract to. */
    static final String DIRECTORY = "io.zcio.native.dir";
    /** Names the library to load. */
    static final String PATH = "io.zcio.native.path";

    private static final String FILE = "libzcio_jni.so";
    private static final int WRITABLE_BY_OTHERS = 0022;
    private static final int STICKY = 01000;

    private static volatile boolean loaded;

    private NativeLibrary() {}

    /**
     * Loads the library, if that has not been done; an {@link UnsatisfiedLinkError} says what to set if that fails. Whatever
     * leads to native code calls this first: a class whose initializer failed, for want of a descriptor perhaps, would fail
     * for ever.
     */
    static void load() {
        if (!loaded) {
            loadOnce();
        }
    }

    private static synchronized void loadOnce() {
        if (loaded) {
            return;
        }
        String exact = System.getProperty(PATH);
        Path library = null;
        try {
            library = exact != null ? Path.of(exact).toAbsolutePath() : extract(directory(), content(), version());
            System.load(library.toString());
            loaded = true;
        } catch (IOException | UnsatisfiedLinkError e) {
            throw failure(library, e);
        }
    }

    private static UnsatisfiedLinkError failure(Path library, Throwable cause) {
        if (String.valueOf(cause.getMessage()).contains("already loaded in another classloader")) {
            return because(cause, "zcio is loaded by two class loaders, and a JVM gives a native library to one alone: put"
                    + " zcio's jar where a loader that both have as a parent finds it (in a container, the shared libraries)");
        }
        String message = "zcio's native library cannot be loaded" + (library == null ? "" : " from " + library) + ": "
                + cause + ". Set -D" + DIRECTORY + "=<a directory of your own, not on a file system mounted noexec> "
                + "or -D" + PATH + "=<the file " + FILE + " itself>";
        return because(cause, message);
    }

    private static UnsatisfiedLinkError because(Throwable cause, String message) {
        UnsatisfiedLinkError error = new UnsatisfiedLinkError(message);
        error.initCause(cause);
        return error;
    }

    /** The library as the jar has it for this machine. */
    private static byte[] content() throws IOException {
        String architecture = System.getProperty("os.arch");
        String platform = "linux-" + Map.of("amd64", "x86_64").getOrDefault(architecture, architecture);
        try (InputStream stream = NativeLibrary.class.getResourceAsStream("native/" + platform + "/" + FILE)) {
            if (stream == null) {
                throw new NoSuchFileException("native/" + platform + "/" + FILE, null,
                        "this jar has no library for " + System.getProperty("os.name") + " on " + architecture);
            }
            return stream.readAllBytes();
        }
    }

    private static String version() throws IOException {
        try (InputStream stream = NativeLibrary.class.getResourceAsStream("native.properties")) {
            Properties properties = new Properties();
            properties.load(stream);
            return properties.getProperty("version");
        }
    }

    /** The directory to extract to, made if it is not there, for this user alone. */
    private static Path directory() throws IOException {
        String named = System.getProperty(DIRECTORY);
        Path directory = named != null
                ? Path.of(named).toAbsolutePath()
                : Path.of(System.getProperty("java.io.tmpdir"), "zcio-" + user()).toAbsolutePath();
        if (named != null && Files.isDirectory(directory)) {
            // What a symbolic link of the user's own leads to is what has to be safe.
            return directory.toRealPath();
        }
        try {
            Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (FileAlreadyExistsException e) {
            // From an earlier run, or somebody else's: extract looks.
        }
        return directory;
    }

    /**
     * The library in that directory, under a name made of version and content: an existing one if it can be trusted, else
     * a new one, which appears under that name only when it is complete.
     */
    static Path extract(Path directory, byte[] content, String version) throws IOException {
        if (!isSafe(directory, STICKY) || !Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(directory + " is not a directory that only this user can write to");
        }
        Path library = directory.resolve("libzcio_jni-" + version + "-" + checksum(content) + ".so");
        if (isReady(library, content)) {
            return library;
        }
        Path temporary = temporary(directory);
        try {
            Files.write(temporary, content);
            Files.move(temporary, library, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
        return library;
    }

    /**
     * An empty file that this user alone can read and write. (The JDK's own way begins with a random generator, whose classes
     * would be broken for ever where there is no descriptor for its configuration now.)
     */
    private static Path temporary(Path directory) throws IOException {
        while (true) {
            String name = "libzcio_jni-" + ProcessHandle.current().pid() + "-" + System.nanoTime() + ".tmp";
            try {
                return Files.createFile(
                        directory.resolve(name), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            } catch (FileAlreadyExistsException e) {
                // Of another process identity, in another container perhaps: the next name.
            }
        }
    }

    private static boolean isReady(Path library, byte[] content) throws IOException {
        return Files.isRegularFile(library, LinkOption.NOFOLLOW_LINKS)
                && isSafe(library, 0)
                && Arrays.equals(Files.readAllBytes(library), content);
    }

    /** Whether it belongs to this user or to root, and nobody else can write to it, or one of {@code despite} is set. */
    private static boolean isSafe(Path path, int despite) throws IOException {
        Map<String, Object> attributes = Files.readAttributes(path, "unix:uid,mode", LinkOption.NOFOLLOW_LINKS);
        int owner = (Integer) attributes.get("uid");
        int mode = (Integer) attributes.get("mode");
        return (owner == 0 || owner == user()) && ((mode & WRITABLE_BY_OTHERS) == 0 || (mode & despite) != 0);
    }

    /** This user's number: the owner of this process, whatever the environment says about names. */
    private static int user() throws IOException {
        return (Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
    }

    /**
     * Tells versions apart, and no more: what is trusted is compared byte by byte. A cryptographic digest would take longer
     * than all the rest, in a JVM that has just been started.
     */
    private static String checksum(byte[] content) {
        CRC32 checksum = new CRC32();
        checksum.update(content);
        return HexFormat.of().toHexDigits((int) checksum.getValue());
    }
}
