package io.zcio.netty;

import io.netty.channel.FileRegion;
import io.netty.util.AbstractReferenceCounted;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;

/**
 * A part of a file on its way through the pipeline, with nothing open yet: to codecs a region of so many bytes. {@link
 * FileTurns} puts the bytes in its place.
 */
final class FilePart extends AbstractReferenceCounted implements FileRegion {
    final FileSource source;
    private final long position;
    private final long count;

    FilePart(FileSource source, long position, long count) {
        this.source = source;
        this.position = position;
        this.count = count;
    }

    static void requireNotNegative(long position, long count) {
        if (position < 0 || count < 0) {
            throw new IllegalArgumentException("position " + position + " or count " + count + " is negative");
        }
    }

    @Override
    public long position() {
        return position;
    }

    @Override
    public long count() {
        return count;
    }

    @Override
    public long transferred() {
        return 0;
    }

    @Deprecated
    @Override
    public long transfered() {
        return 0;
    }

    @Override
    public long transferTo(WritableByteChannel target, long at) throws IOException {
        throw new IOException("the handler that opens files was taken out of the pipeline");
    }

    @Override
    protected void deallocate() {}

    @Override
    public FilePart retain() {
        super.retain();
        return this;
    }

    @Override
    public FilePart retain(int increment) {
        super.retain(increment);
        return this;
    }

    @Override
    public FilePart touch() {
        return this;
    }

    @Override
    public FilePart touch(Object hint) {
        return this;
    }
}
