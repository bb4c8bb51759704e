package io.zcio;

import java.io.IOException;
import java.nio.channels.SocketChannel;

/** The bridge to the native code of shared regions; handles and facts as in {@link NativeRegion}. Not an API. */
final class NativeShared {
    static {
        NativeLibrary.bind(NativeShared.class, "NativeShared");
    }

    private NativeShared() {}

    static native long create(long length, long[] facts) throws IOException;

    /** Waits at most 100 ms; false if the socket was not ready. */
    static native boolean send(long region, SocketChannel channel, int peer, int number) throws IOException;

    /** Waits at most 100 ms; 0 if nothing came. */
    static native long receive(SocketChannel channel, int peer, int number, int seals, long[] facts) throws IOException;

    /** {@code seals}: one bit for each {@link Seal}. */
    static native void seal(long region, int seals) throws IOException;

    static native int seals(long region) throws IOException;

    static native void grow(long region, long length) throws IOException;

    static native void refresh(long region) throws IOException;
}
