package io.zcio;

import java.nio.ByteOrder;
import java.nio.channels.FileChannel;

/**
 * What is done otherwise on newer JDKs: here as 17 can, in {@code Jdk22} (src/main/java22) as one from 22 on can.
 *
 * <p>It is chosen at run time, by what the runtime is. The jar's manifest could say it too (Multi-Release); but a build that joins
 * jars drops that, and on a new JDK a buffer of a closed region would then show zeroes instead of an exception, and nobody would know.
 */
class JdkGeneration {
    private static final class Current {
        static final JdkGeneration GENERATION = choose();
    }

    /** No byte: what is left of a region after a close. */
    final RegionMemory closed = closed();

    static JdkGeneration current() {
        return Current.GENERATION;
    }

    private static JdkGeneration choose() {
        if (Runtime.version().feature() < 22) {
            return new JdkGeneration();
        }
        try {
            String name = JdkGeneration.class.getPackageName() + ".Jdk22";
            return (JdkGeneration) Class.forName(name).getDeclaredConstructor().newInstance();
        } catch (ClassNotFoundException e) {
            Notices.once(
                    "no classes for 22",
                    () -> "this zcio lacks its classes for JDK 22 and newer: buffers of a closed region show zeroes and do not throw");
            return new JdkGeneration();
        } catch (ReflectiveOperationException e) {
            throw Internals.unexpected(e);
        }
    }

    RegionMemory closed() {
        return new AddressMemory(null, 0, 0, false, ByteOrder.BIG_ENDIAN, null);
    }

    /** {@code facts}: see {@link NativeRegion#view}. */
    RegionPages pages(MappedRegion owner, long[] facts) {
        return new AddressPages(owner, facts);
    }

    ZeroCopyFileChannel channel(FileChannel delegate, boolean readable, boolean writable, boolean append) {
        return new ZeroCopyFileChannel(delegate, readable, writable, append);
    }
}
