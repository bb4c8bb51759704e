package io.zcio;

import java.util.Optional;

/**
 * Whether zcio works here. It needs a native library, which the jar carries for Linux, and a place to load it from.
 *
 * <p>Where it cannot be loaded everything that needs it throws the {@link UnsatisfiedLinkError} that {@link #unavailabilityCause}
 * gives, but for {@link ZeroCopyFileChannel#open ZeroCopyFileChannel.open}, which opens the JDK's own channel then.
 */
public final class Zcio {
    private Zcio() {}

    /**
     * Loads the native library, if that has not been done.
     *
     * @return whether it is there
     */
    public static boolean isAvailable() {
        return NativeLibrary.unavailabilityCause() == null;
    }

    /**
     * Why it is not there, and what to do: the machine's architecture, a file system mounted {@code noexec}, native access that
     * the JVM was not allowed, and so on.
     *
     * @return the error that an operation would throw; empty if there is none
     */
    public static Optional<UnsatisfiedLinkError> unavailabilityCause() {
        return Optional.ofNullable(NativeLibrary.unavailabilityCause());
    }
}
