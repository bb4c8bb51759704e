package io.zcio;

import java.io.FileDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;

/**
 * Everything of a file channel that the JDK's own does well already, handed to one of the JDK's own.
 *
 * <p>The other channel belongs to this one, so that the two are closed together: by
 * {@link #close}, or when the other closes itself because a thread inside was interrupted. Nothing here may answer for the
 * other channel: what it throws, and when, is the specification.
 */
abstract class DelegatingFileChannel extends FileChannel {
    // Netty's native transports read FileChannelImpl.fd out of any file channel, by the offset that the field has there. These
    // lie over that place, whatever its neighbours are: 17 has one more before it than 25. DescriptorField checks it.
    private final FileDescriptor descriptor0;
    private final FileDescriptor descriptor1;
    private final FileDescriptor descriptor2;
    private final FileDescriptor descriptor3;
    private final FileDescriptor descriptor4;
    private final FileDescriptor descriptor5;
    private final FileDescriptor descriptor6;
    private final FileDescriptor descriptor7;

    /** The JDK's channel. */
    final FileChannel delegate;

    DelegatingFileChannel(FileChannel delegate) {
        this.delegate = delegate;
        FileDescriptor descriptor = DescriptorField.of(delegate);
        descriptor0 = descriptor;
        descriptor1 = descriptor;
        descriptor2 = descriptor;
        descriptor3 = descriptor;
        descriptor4 = descriptor;
        descriptor5 = descriptor;
        descriptor6 = descriptor;
        descriptor7 = descriptor;
    }

    /** After a failure of the other channel: an interrupt may have closed it, and then this one is closed too. */
    final <E extends Exception> E following(E failure) {
        if (!delegate.isOpen()) {
            try {
                close();
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
        }
        return failure;
    }

    @Override
    protected void implCloseChannel() throws IOException {
        delegate.close();
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        try {
            return delegate.read(target);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public int read(ByteBuffer target, long position) throws IOException {
        try {
            return delegate.read(target, position);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) throws IOException {
        try {
            return delegate.read(targets, offset, length);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        try {
            return delegate.write(source);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public int write(ByteBuffer source, long position) throws IOException {
        try {
            return delegate.write(source, position);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) throws IOException {
        try {
            return delegate.write(sources, offset, length);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public long position() throws IOException {
        try {
            return delegate.position();
        } catch (IOException e) {
            throw following(e);
        }
    }

    /**
     * {@inheritDoc}
     *
     * @return this channel
     */
    @Override
    public FileChannel position(long position) throws IOException {
        try {
            delegate.position(position);
            return this;
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public long size() throws IOException {
        try {
            return delegate.size();
        } catch (IOException e) {
            throw following(e);
        }
    }

    /**
     * {@inheritDoc}
     *
     * @return this channel
     */
    @Override
    public FileChannel truncate(long size) throws IOException {
        try {
            delegate.truncate(size);
            return this;
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public void force(boolean metaData) throws IOException {
        try {
            delegate.force(metaData);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) throws IOException {
        try {
            return delegate.map(mode, position, size);
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) throws IOException {
        try {
            return new DelegatedLock(this, delegate.lock(position, size, shared));
        } catch (IOException e) {
            throw following(e);
        }
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        try {
            FileLock lock = delegate.tryLock(position, size, shared);
            return lock == null ? null : new DelegatedLock(this, lock);
        } catch (IOException e) {
            throw following(e);
        }
    }

    /** The JDK's lock, held by the channel that the caller knows. */
    private static final class DelegatedLock extends FileLock {
        private final FileLock lock;

        DelegatedLock(FileChannel channel, FileLock lock) {
            super(channel, lock.position(), lock.size(), lock.isShared());
            this.lock = lock;
        }

        @Override
        public boolean isValid() {
            return lock.isValid();
        }

        @Override
        public void release() throws IOException {
            lock.release();
        }
    }
}
