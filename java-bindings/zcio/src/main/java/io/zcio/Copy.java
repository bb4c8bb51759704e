package io.zcio;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.util.Objects;

/**
 * A file made out of a file: cloned where the file system can, holes kept as holes, and on request with mode and times, in
 * place of another file in one moment, and on the disk when it returns.
 *
 * <pre>{@code
 * CopyReport report = Copy.of(Path.of("image.raw"), Path.of("backup.raw")).atomic(true).durable(true).run();
 * }</pre>
 *
 * <p>A new file has the read, write and execute bits of its source, less the umask, and gets its name when it is complete.
 * An existing one is overwritten and keeps its mode, owner and other links, unless the copy is {@link #atomic} or
 * {@link #createNew}. Symbolic links are followed, but for one that leads nowhere. A file that another process has a lease
 * on is waited for. Whatever fails, no half of a file is left that was not there before. On a virtual thread the copying is
 * done by a platform thread of zcio's own while the virtual one is parked.
 */
public final class Copy extends Operation<CopyReport, Copy> {
    private final End source;
    private final End destination;
    private final CopyOptions options = new CopyOptions();

    private Copy(End source, End destination) {
        this.source = source;
        this.destination = destination;
    }

    /**
     * A copy of a file.
     *
     * @param source      what to copy: a regular file of the default file system
     * @param destination where to: a regular file, or nothing yet
     * @return the copy, to be described further and run
     * @throws ProviderMismatchException if it is a path of another file system
     */
    public static Copy of(Path source, Path destination) {
        return new Copy(End.of(source), End.of(destination));
    }

    /**
     * Whether the copy may share the blocks of its source; {@link Reflink#AUTO} unless said otherwise.
     *
     * @param reflink the choice
     * @return this copy
     */
    public Copy reflink(Reflink reflink) {
        options.reflink = Objects.requireNonNull(reflink, "reflink");
        return this;
    }

    /**
     * Gives the copy the source's read, write and execute bits for owner, group and others, whatever the umask is. The
     * set-user-ID, set-group-ID and sticky bits stay behind, because the owner does.
     *
     * @param preserve whether to
     * @return this copy
     */
    public Copy preserveMode(boolean preserve) {
        options.preserveMode = preserve;
        return this;
    }

    /**
     * Gives the copy the source's times of last access and last change, to the nanosecond.
     *
     * @param preserve whether to
     * @return this copy
     */
    public Copy preserveTimes(boolean preserve) {
        options.preserveTimes = preserve;
        return this;
    }

    /**
     * The destination must not exist, not even as a symbolic link that leads nowhere: {@link FileAlreadyExistsException}
     * otherwise, also if somebody else makes it while the bytes are copied.
     *
     * @param createNew whether it must not
     * @return this copy
     */
    public Copy createNew(boolean createNew) {
        options.createNew = createNew;
        return this;
    }

    /**
     * Makes the copy beside its destination and puts it in place in one moment (rename(2)): whoever opens the path finds the
     * old file or the whole new one, and after an exception the old one. The destination becomes a new file, which keeps
     * the permission bits of the old one, but not its owner, other links, access lists and extended attributes.
     *
     * @param atomic whether to
     * @return this copy
     */
    public Copy atomic(boolean atomic) {
        options.atomic = atomic;
        return this;
    }

    /**
     * Returns only when the copy is on its disk (fsync(2)), and its name as well.
     *
     * @param durable whether to
     * @return this copy
     */
    public Copy durable(boolean durable) {
        options.durable = durable;
        return this;
    }

    /**
     * Runs to the end.
     *
     * @return what was done
     * @throws FileAlreadyExistsException see {@link #createNew}
     * @throws FileSystemException        or one of its subclasses, if a file cannot be opened or made, both are the same file,
     *                                    or one is no regular file
     * @throws ClosedByInterruptException if this thread was interrupted
     * @throws TransferException          if it fails on the way, with the bytes moved until then; also if a clone was demanded
     *                                    and refused
     * @throws IOException                if the destination cannot be put in place
     */
    @Override
    public CopyReport run() throws IOException {
        return run(token);
    }

    @Override
    public String toString() {
        return "Copy of " + EndNames.of(source) + " to " + EndNames.of(destination);
    }

    @Override
    CopyReport run(CancelToken token) throws IOException {
        // A copy cannot be left and entered again; but it has nothing of the caller's that the listener could close.
        Watch watch = new Watch(progress, token, source, destination) {
            @Override
            boolean look(long moved) {
                tell(moved, true);
                return mustStop();
            }
        };
        watch.before();
        Object event = Flight.begin("copy", source, destination);
        CopyReport report = null;
        IOException failure = null;
        try {
            Packed call = new Packed();
            PackedEnds.pack(source, call);
            PackedEnds.pack(destination, call);
            options.pack(call);
            Object[] given = {PackedEnds.object(source), PackedEnds.object(destination)};
            report = Threads.onPlatformThread(watch, () -> Packed.read(
                    NativeCopy.run(given[0], given[1], call.numbers, watch), Reports::copyReport));
        } catch (TransferException e) {
            failure = watch.after(e);
        } catch (IOException e) {
            failure = e;
        }
        Flight.end(event, report, failure);
        if (failure != null) {
            throw failure;
        }
        return report;
    }
}
