package io.zcio;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/** Channels without a descriptor, as a library may bring them along: into memory, out of memory, and failing on request. */
final class ThirdParty implements ReadableByteChannel, WritableByteChannel {
    final ByteArrayOutputStream written = new ByteArrayOutputStream();
    private final ByteBuffer content;
    private final int mostAtATime;
    private final int failsAt;
    private int done;

    /** Gives this content, or takes any; at most so much at a time; fails after so many bytes. */
    ThirdParty(byte[] content, int mostAtATime, int failsAt) {
        this.content = ByteBuffer.wrap(content);
        this.mostAtATime = mostAtATime;
        this.failsAt = failsAt;
    }

    private int allowed(int remaining) throws IOException {
        int count = Math.min(Math.min(mostAtATime, remaining), failsAt - done);
        if (count == 0 && remaining > 0 && failsAt == done) {
            throw new IOException("on purpose");
        }
        done += count;
        return count;
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        if (!content.hasRemaining()) {
            return -1;
        }
        int count = allowed(Math.min(target.remaining(), content.remaining()));
        for (int i = 0; i < count; i++) {
            target.put(content.get());
        }
        return count;
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        int count = allowed(source.remaining());
        for (int i = 0; i < count; i++) {
            written.write(source.get());
        }
        return count;
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {}
}
