package io.zcio;

/** {@code java -jar zcio.jar}: the {@code zcio} command, the same as the one of the Rust crate and the Python package. */
final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        Zcio.unavailabilityCause().ifPresent(cause -> {
            System.err.println("zcio: " + cause.getMessage());
            System.exit(1);
        });
        System.exit(NativeCommand.run(arguments));
    }
}
