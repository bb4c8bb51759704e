package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
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
 *
 * <p>{@link #open} and {@link #end} may wait for a disk or another process, so the event loop calls neither.
 */
final class UploadTarget {
    private final Path path;
    private final boolean atomic;
    /** What gets the name, which may be behind symbolic links. */
    private Path destination;
    private Path temporary;
    private FileChannel file;
    private SpliceUpload splice;

    UploadTarget(Path path, boolean atomic) {
        this.path = path;
        this.atomic = atomic;
    }

    /** Opens the file, which is made if it is not there, and emptied; for splices too, because Netty empties what it opens. */
    void open(boolean forSplice) throws IOException {
        Path open = atomic ? beside() : path;
        if (forSplice) {
            splice = SpliceUpload.into(open);
        }
        file = FileChannel.open(
                open, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
    }

    private Path beside() throws IOException {
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
        Throwable failure = after(cause, file);
        failure = after(failure, splice == null ? null : splice::close);
        if (failure == null && temporary != null) {
            failure = after(null, () -> {
                Files.move(temporary, destination, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                temporary = null;
            });
        }
        return after(failure, temporary == null ? null : () -> Files.deleteIfExists(temporary));
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
