package io.zcio;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Puts the native library out of the jar into a file from which it can be loaded. The file is removed as soon as that is done.
 *
 * <p>What is loaded runs with all the rights of this process. So the file is this user's alone, in a directory that is, too, and
 * its name cannot be guessed: nobody else can have put it there, nor put another in its place, not even by putting another
 * directory in the place of that one.
 *
 * <p>Here, and wherever a first transfer comes by, there are no lambdas and no streams: in a process that has none yet the JVM would
 * need longer for the first of them than for all of the rest.
 *
 * <p>A process that is killed between the two leaves its file. Whoever extracts next removes what is old enough; that harms
 * nobody who has loaded it.
 */
final class Extraction {
    private static final String PREFIX = "libzcio_jni-";
    private static final Duration LEFT = Duration.ofHours(1);
    private static final int WRITABLE_BY_OTHERS = 0022;
    private static final int STICKY = 01000;

    private Extraction() {}

    /** Makes the file. */
    static Path extract(String version) throws IOException {
        String platform = platform();
        try (InputStream content = resource(platform)) {
            if (content == null) {
                throw new UnsatisfiedLinkError("this jar has no library for " + platform + ", but for " + platforms());
            }
            return extract(directory(), content, version);
        }
    }

    private static InputStream resource(String platform) {
        return Extraction.class.getResourceAsStream("native/" + platform + "/libzcio_jni.so");
    }

    private static String platform() {
        String architecture = System.getProperty("os.arch");
        return System.getProperty("os.name").toLowerCase(Locale.ROOT) + "-"
                + Map.of("amd64", "x86_64").getOrDefault(architecture, architecture);
    }

    private static List<String> platforms() throws IOException {
        List<String> found = new ArrayList<>();
        for (String platform : List.of("linux-x86_64", "linux-aarch64")) {
            try (InputStream content = resource(platform)) {
                if (content != null) {
                    found.add(platform);
                }
            }
        }
        return found;
    }

    /** In that directory, and what was left there long ago is removed. */
    static Path extract(Path directory, InputStream content, String version) throws IOException {
        removeOld(directory);
        Path library = directory.resolve(PREFIX + version + "-" + random() + ".so");
        boolean complete = false;
        Files.createFile(library, mode("rw-------"));
        // Not by a channel of ours, which an interrupt would close: whoever is first may have its status set.
        try (OutputStream out = Files.newOutputStream(library, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
            content.transferTo(out);
            complete = true;
        } finally {
            if (!complete) {
                Files.deleteIfExists(library);
            }
        }
        return library;
    }

    /**
     * The directory that is named; below it, or below the one for temporary files, one of this user's own, if others can write
     * there, as in a container's volume.
     */
    static Path directory() throws IOException {
        String named = System.getProperty(NativeLibrary.DIRECTORY);
        if (named == null) {
            return ownBelow(Path.of(System.getProperty("java.io.tmpdir")).toAbsolutePath());
        }
        Path directory = Path.of(named).toAbsolutePath();
        if (Files.isDirectory(directory)) {
            // What a symbolic link of the user's own leads to is what has to be safe.
            directory = directory.toRealPath();
            return isSafe(directory, STICKY) ? directory : ownBelow(directory);
        }
        return made(directory);
    }

    private static Path ownBelow(Path directory) throws IOException {
        return made(directory.resolve("zcio-" + user()));
    }

    /** Made, or from an earlier run; or somebody else's. */
    private static Path made(Path directory) throws IOException {
        try {
            Files.createDirectory(directory, mode("rwx------"));
        } catch (FileAlreadyExistsException e) {
            // Looked at below.
        }
        if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS) || !isSafe(directory, 0)) {
            throw new IOException(directory + " is not a directory that only this user can write to");
        }
        return directory;
    }

    private static FileAttribute<?> mode(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }

    /** Whether it belongs to this user or to root, and nobody else can write to it, or one of {@code despite} is set. */
    private static boolean isSafe(Path path, int despite) throws IOException {
        Map<String, Object> attributes = Files.readAttributes(path, "unix:uid,mode", LinkOption.NOFOLLOW_LINKS);
        long owner = Integer.toUnsignedLong((Integer) attributes.get("uid"));
        int mode = (Integer) attributes.get("mode");
        return (owner == 0 || owner == user()) && ((mode & WRITABLE_BY_OTHERS) == 0 || (mode & despite) != 0);
    }

    /**
     * The number of the user that files are made for, whatever the environment says about names. (The owner of /proc/self may be
     * root instead: of a program with capabilities.)
     */
    private static long user() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("Uid:")) {
                return Long.parseLong(line.substring(line.lastIndexOf('\t') + 1));
            }
        }
        throw new IOException("/proc/self/status names no user");
    }

    /** From the kernel: the JDK's generators need classes that would be broken for ever, should there be no descriptor now. */
    private static String random() throws IOException {
        try (InputStream source = Files.newInputStream(Path.of("/dev/urandom"))) {
            return HexFormat.of().formatHex(source.readNBytes(16));
        }
    }

    private static void removeOld(Path directory) throws IOException {
        Instant limit = Instant.now().minus(LEFT);
        try (DirectoryStream<Path> left = Files.newDirectoryStream(directory)) {
            for (Path file : left) {
                if (isOurs(file) && Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS).toInstant().isBefore(limit)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (DirectoryIteratorException | FileSystemException e) {
            // Somebody else removes it too, or may not be removed by this user: no reason not to go on.
        }
    }

    private static boolean isOurs(Path file) {
        String name = file.getFileName().toString();
        return name.startsWith(PREFIX) && (name.endsWith(".so") || name.endsWith(".tmp"));
    }
}
