package io.zcio;

/** {@code java -jar zcio.jar}: the {@code zcio} command, the same as the one of the Rust crate and the Python package. */
final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        System.exit(NativeCommand.run(arguments));
    }
}
