package io.zcio;

/** The bridge to the native code's command. Not an API. */
final class NativeCommand {
    static {
        NativeLibrary.bind(NativeCommand.class, "NativeCommand");
    }

    private NativeCommand() {}

    /**
     * Runs the {@code zcio} command on the process's own standard streams and returns its exit code. SIGINT, SIGTERM and
     * SIGHUP end the command while it runs.
     */
    static native int run(String[] arguments);
}
