/**
 * Zero-copy I/O for Linux: bytes between files, sockets and pipes without taking them through user space.
 *
 * <p>One package, {@link io.zcio}, and two classes to start from: {@link io.zcio.Transfer} and {@link io.zcio.MappedRegion}. The
 * module carries a native library, of which the JDK warns from 24 on unless the application allows it: with
 * {@code --enable-native-access=io.zcio}, or {@code --enable-native-access=ALL-UNNAMED} when the jar is on the class path.
 *
 * <p>On a JDK from 22 on, {@code RegionSegments} makes regions {@code MemorySegment}s.
 */
module io.zcio {
    requires static jdk.jfr;
    requires static java.management;
    requires static org.jspecify;
    // Loads and stores before JDK 22.
    requires jdk.unsupported;

    exports io.zcio;
}
