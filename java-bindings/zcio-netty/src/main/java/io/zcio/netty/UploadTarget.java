package io.zcio.netty;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * Where an upload goes: the file itself, which is emptied first; or one beside it that takes its name in one moment when it is
 * complete, and is gone if it never is.
 */
final class UploadTarget {
    private final Path path;
    private final boolean atomic;
    /** What gets the name, which may be behind symbolic links. */
    private Path destination;
    private Path temporary;

    UploadTarget(Path path, boolean atomic) {
        this.path = path;
        this.atomic = atomic;
    }

    /** Where to open the file that is written to, which is emptied, and made if it is not there. */
    Path begin() throws IOException {
        if (!atomic) {
            return path;
        }
        destination = Files.exists(path) ? path.toRealPath() : path.toAbsolutePath();
        boolean there = Files.exists(destination);
        if (there && !Files.isRegularFile(destination)) {
            throw new FileSystemException(path.toString(), null, "no regular file, whose place another one could take");
        }
        temporary = create(destination.resolveSibling(".zcio-" + secret()));
        if (there) {
            Files.setPosixFilePermissions(temporary, Files.getPosixFilePermissions(destination));
        }
        return temporary;
    }

    /** A name that nobody can have guessed; one that is taken by chance is an error, and whose it is stays. */
    private static Path create(Path name) throws IOException {
        FileChannel.open(name, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE).close();
        return name;
    }

    private static String secret() {
        byte[] random = new byte[16];
        new SecureRandom().nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    /** It is complete. */
    void keep() throws IOException {
        if (temporary != null) {
            Files.move(temporary, destination, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            temporary = null;
        }
    }

    /** It will never be. */
    void discard() throws IOException {
        if (temporary != null) {
            Files.deleteIfExists(temporary);
            temporary = null;
        }
    }
}
