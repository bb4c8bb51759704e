package io.zcio;

import java.io.FileDescriptor;
import java.lang.invoke.MethodHandle;
import java.nio.channels.FileChannel;

/**
 * {@code FileChannelImpl.fd}, which native code of others reads out of any file channel by the field's offset, Netty's above
 * all: a channel of ours has its descriptor in the same place, and it is the very object of the JDK's channel, which a close
 * makes invalid.
 */
final class DescriptorField {
    /** Whether a channel of ours has a descriptor where the JDK's own has it. */
    static final boolean IN_PLACE;

    /** Reads the field of one of the JDK's own; null where it cannot be had. */
    static final MethodHandle GETTER;

    private static final String OWNER = "sun.nio.ch.FileChannelImpl";

    static {
        GETTER = Internals.field(OWNER, "fd", FileDescriptor.class, FileDescriptor.class, FileChannel.class);
        IN_PLACE = GETTER != null && liesOver();
    }

    private DescriptorField() {}

    /** The channel's own; an invalid one if it is no channel of the JDK's own. */
    static FileDescriptor of(FileChannel channel) {
        if (!IN_PLACE) {
            Notices.once(
                    "descriptor field",
                    () -> "zcio does not know how this Java runtime lays out its file channels: give Netty's native transports "
                            + "a region of zcio-netty, or a channel of the JDK's own");
        }
        if (GETTER == null || !channel.getClass().getName().equals(OWNER)) {
            return new FileDescriptor();
        }
        try {
            return (FileDescriptor) GETTER.invokeExact(channel);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    private static boolean liesOver() {
        for (int i = 0; i < 8; i++) {
            if (NativeInternals.liesOver(DelegatingFileChannel.class, "descriptor" + i)) {
                return true;
            }
        }
        return false;
    }
}
