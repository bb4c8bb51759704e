package io.zcio;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.HashSet;
import java.util.Set;

/** Opens file channels: of zcio's, or the JDK's own where that is not of use. See {@link ZeroCopyFileChannel#open}. */
final class ChannelOpening {
    private ChannelOpening() {}

    /** Not before the library is there. */
    private static final class Uninterruptible {
        /** {@code FileChannelImpl.setUninterruptible}, by which the JDK's own streams keep theirs open. */
        static final MethodHandle SET = Internals.method(
                "sun.nio.ch.FileChannelImpl", "setUninterruptible", void.class, FileChannel.class);
    }

    static FileChannel open(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        Set<OpenOption> theirs = new HashSet<>(options);
        boolean outlivesInterrupts = theirs.remove(InterruptOption.KEEP_OPEN);
        boolean ofUse = isOfUse();
        if (outlivesInterrupts && (!ofUse || Uninterruptible.SET == null)) {
            throw new UnsupportedOperationException(InterruptOption.KEEP_OPEN + " is not possible in this Java runtime");
        }
        FileChannel opened = FileChannel.open(path, theirs, attributes);
        if (!ofUse) {
            return opened;
        }
        boolean append = theirs.contains(StandardOpenOption.APPEND);
        boolean writable = append || theirs.contains(StandardOpenOption.WRITE);
        boolean readable = !writable || theirs.contains(StandardOpenOption.READ);
        try {
            ZeroCopyFileChannel channel = JdkGeneration.current().channel(opened, readable, writable, append);
            if (outlivesInterrupts) {
                outliveInterrupts(opened);
                channel.outliveInterrupts();
            }
            return channel;
        } catch (Throwable e) {
            opened.close();
            throw e;
        }
    }

    private static void outliveInterrupts(FileChannel jdks) {
        try {
            Uninterruptible.SET.invokeExact(jdks);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    private static boolean isOfUse() {
        UnsatisfiedLinkError unavailable = NativeLibrary.unavailabilityCause();
        if (unavailable != null) {
            Notices.once("no channels of zcio's", () -> "file channels are the JDK's own: " + unavailable.getMessage());
        } else if (!isKnown()) {
            Notices.once(
                    "no channels of zcio's",
                    () -> "file channels are the JDK's own: zcio does not know how this Java runtime makes them");
        }
        return unavailable == null && isKnown();
    }

    private static boolean isKnown() {
        return DescriptorField.IN_PLACE && CloseProtocol.AVAILABLE;
    }
}
