package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Set;

/**
 * Where an upload goes: the file itself, which is emptied first; or one beside it that takes its name in one moment when it is
 * complete, and is gone if it never is.
 *
 * <p>A name is used once to open the file. Afterwards the file is known by its descriptor, or by its identity: somebody else may
 * put another one under the temporary name, which is then neither written to, nor moved, nor deleted.
 *
 * <p>{@link #open} and {@link #end} may wait for a disk or another process, so the event loop calls neither.
 */
final class UploadTarget {
    private final Path path;
    private final boolean atomic;
    /** What gets the name, which may be behind symbolic links. */
    private Path destination;
    private Path temporary;
    /** What tells the file with the temporary name from others. */
    private Object identity;
    private FileChannel file;
    private SpliceUpload splice;

    UploadTarget(Path path, boolean atomic) {
        this.path = path;
        this.atomic = atomic;
    }

    /** Opens the file, which is made if it is not there, and emptied; for splices too, because Netty empties what it opens. */
    void open(boolean forSplice) throws IOException {
        Set<PosixFilePermission> permissions = atomic ? beside() : null;
        Path name = atomic ? temporary : path;
        // Nobody can have put anything under a temporary name, which is as good as secret until the file is made.
        Path opened = name;
        if (forSplice) {
            splice = SpliceUpload.into(name);
            opened = splice.path();
            identity = identity(opened);
            file = FileChannel.open(opened, StandardOpenOption.WRITE);
        } else if (atomic) {
            file = FileChannel.open(name, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            identity = identity(name, LinkOption.NOFOLLOW_LINKS);
        } else {
            file = FileChannel.open(
                    name, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
        }
        if (permissions != null) {
            LinkOption[] links = forSplice ? new LinkOption[0] : new LinkOption[] {LinkOption.NOFOLLOW_LINKS};
            Files.getFileAttributeView(opened, PosixFileAttributeView.class, links).setPermissions(permissions);
        }
    }

    /** Chooses the temporary name; gives back the permissions of the file that is to be replaced, or null. */
    private Set<PosixFilePermission> beside() throws IOException {
        destination = Files.exists(path) ? path.toRealPath() : path.toAbsolutePath();
        boolean there = Files.exists(destination);
        if (there && !Files.isRegularFile(destination)) {
            throw new FileSystemException(path.toString(), null, "no regular file, whose place another one could take");
        }
        temporary = destination.resolveSibling(".zcio-" + secret());
        return there ? Files.getPosixFilePermissions(destination) : null;
    }

    private static Object identity(Path file, LinkOption... links) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class, links).fileKey();
    }

    /** Whether the temporary name is still that of the file, which must be open: its identity is nobody else's then. */
    private boolean isNamed() {
        try {
            return identity != null && identity.equals(identity(temporary, LinkOption.NOFOLLOW_LINKS));
        } catch (IOException e) {
            return false;
        }
    }

    private static String secret() {
        byte[] random = new byte[16];
        new SecureRandom().nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    void write(ByteBuf bytes, long at) throws IOException {
        for (ByteBuffer buffer : bytes.nioBuffers()) {
            while (buffer.hasRemaining()) {
                at += file.write(buffer, at);
            }
        }
    }

    long size() throws IOException {
        return file.size();
    }

    /** For one splice, which closes it itself when Netty no longer uses it, unless it is {@linkplain #notSpliced not begun}. */
    SpliceUpload takeSplice() {
        SpliceUpload taken = splice;
        splice = null;
        return taken;
    }

    void notSpliced(SpliceUpload taken) {
        splice = taken;
    }

    /**
     * Closes what is open, and gives the file its name, if it is complete and has another one until now; else that is gone.
     *
     * @param cause why it is not complete; null if it is
     * @return that, or why it could not be kept; null if it could
     */
    Throwable end(Throwable cause) {
        boolean named = temporary != null && isNamed();
        Throwable failure = after(cause, file);
        failure = after(failure, splice == null ? null : splice::close);
        if (failure == null && temporary != null) {
            failure = after(null, () -> {
                if (!named) {
                    throw new FileSystemException(
                            path.toString(), null, "the new file has lost its temporary name to somebody else");
                }
                Files.move(temporary, destination, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                temporary = null;
            });
        }
        return after(failure, named && temporary != null ? () -> Files.deleteIfExists(temporary) : null);
    }

    /** The first failure. */
    private static Throwable after(Throwable failure, Closeable what) {
        try {
            if (what != null) {
                what.close();
            }
            return failure;
        } catch (IOException e) {
            return failure == null ? e : failure;
        }
    }
}
