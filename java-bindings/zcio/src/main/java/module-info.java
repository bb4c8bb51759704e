/**
 * Zero-copy I/O for Linux: bytes between files, sockets and pipes without taking them through user space.
 *
 * <p>One package, {@link io.zcio}, and one class to start from: {@link io.zcio.Transfer}. The module carries a native
 * library, of which the JDK warns from 24 on unless the application allows it: with {@code --enable-native-access=io.zcio},
 * or {@code --enable-native-access=ALL-UNNAMED} when the jar is on the class path.
 */
module io.zcio {
    requires static jdk.jfr;

    exports io.zcio;
}
