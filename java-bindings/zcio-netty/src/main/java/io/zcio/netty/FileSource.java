package io.zcio.netty;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;

/**
 * Where a part's bytes come from: a file that is opened when its turn comes, or a channel of the caller's. All of it may wait
 * for a disk.
 */
abstract class FileSource {
    /** Looks at the file that the caller has announced, when he hands it over. */
    abstract void announce();

    /**
     * The file, if it is the one that was announced.
     *
     * @throws IOException if it is another one, or none that can be opened
     */
    abstract FileChannel open() throws IOException;

    /** Whether the channel is closed when its bytes have gone. */
    abstract boolean owned();

    static FileSource of(Path path) {
        return new Named(path);
    }

    static FileSource of(FileChannel channel) {
        return new Given(channel);
    }

    private static final class Named extends FileSource {
        private final Path path;
        private Object announced;
        private IOException failure;

        Named(Path path) {
            this.path = path;
        }

        @Override
        void announce() {
            try {
                announced = identity();
            } catch (IOException e) {
                failure = e;
            }
        }

        /**
         * Its number alone may be another file's at once when it is deleted. Where files have no time of birth this is the time of
         * their last change, and one that changes meanwhile is refused, too.
         *
         * @throws IOException also if it is no regular file: opening a FIFO would wait for its writer
         */
        private Object identity() throws IOException {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) {
                throw new IOException(path + " is no regular file");
            }
            return List.of(attributes.fileKey(), attributes.creationTime());
        }

        @Override
        FileChannel open() throws IOException {
            if (failure != null) {
                throw failure;
            }
            // Once more before it: what is opened must not be a FIFO that has taken the name meanwhile.
            requireAnnounced();
            FileChannel channel = FileChannel.open(path);
            try {
                requireAnnounced();
            } catch (IOException e) {
                channel.close();
                throw e;
            }
            return channel;
        }

        private void requireAnnounced() throws IOException {
            if (!identity().equals(announced)) {
                throw new IOException(path + " is another file now than the one that was announced");
            }
        }

        @Override
        boolean owned() {
            return true;
        }
    }

    private static final class Given extends FileSource {
        private final FileChannel channel;

        Given(FileChannel channel) {
            this.channel = channel;
        }

        @Override
        void announce() {}

        @Override
        FileChannel open() {
            return channel;
        }

        @Override
        boolean owned() {
            return false;
        }
    }
}
