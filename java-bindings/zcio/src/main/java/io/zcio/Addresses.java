package io.zcio;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;

/**
 * Loads and stores at addresses, before JDK 22: the methods of {@code sun.misc.Unsafe}. Whoever calls them has checked the address.
 *
 * <p>The class is found by name, because compilers warn of all who import it. Constant method handles compile to what they stand for.
 */
final class Addresses {
    private static final Class<?> TYPE;
    private static final Object UNSAFE;

    static {
        try {
            TYPE = Class.forName("sun.misc.Unsafe");
            Field field = TYPE.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            UNSAFE = field.get(null);
        } catch (ReflectiveOperationException e) {
            throw unknown(e);
        }
    }

    private static final MethodHandle GET_BYTE = load("getByte", byte.class);
    private static final MethodHandle PUT_BYTE = store("putByte", byte.class);
    private static final MethodHandle GET_SHORT = load("getShort", short.class);
    private static final MethodHandle PUT_SHORT = store("putShort", short.class);
    private static final MethodHandle GET_INT = load("getInt", int.class);
    private static final MethodHandle PUT_INT = store("putInt", int.class);
    private static final MethodHandle GET_LONG = load("getLong", long.class);
    private static final MethodHandle PUT_LONG = store("putLong", long.class);

    private Addresses() {}

    private static MethodHandle load(String name, Class<?> value) {
        return find(name, MethodType.methodType(value, long.class));
    }

    private static MethodHandle store(String name, Class<?> value) {
        return find(name, MethodType.methodType(void.class, long.class, value));
    }

    private static MethodHandle find(String name, MethodType type) {
        try {
            return MethodHandles.lookup().findVirtual(TYPE, name, type).bindTo(UNSAFE);
        } catch (ReflectiveOperationException e) {
            throw unknown(e);
        }
    }

    private static IllegalStateException unknown(ReflectiveOperationException e) {
        return new IllegalStateException("zcio does not know this Java runtime", e);
    }

    static byte getByte(long address) {
        try {
            return (byte) GET_BYTE.invokeExact(address);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static void putByte(long address, byte value) {
        try {
            PUT_BYTE.invokeExact(address, value);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static short getShort(long address) {
        try {
            return (short) GET_SHORT.invokeExact(address);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static void putShort(long address, short value) {
        try {
            PUT_SHORT.invokeExact(address, value);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static int getInt(long address) {
        try {
            return (int) GET_INT.invokeExact(address);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static void putInt(long address, int value) {
        try {
            PUT_INT.invokeExact(address, value);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static long getLong(long address) {
        try {
            return (long) GET_LONG.invokeExact(address);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    static void putLong(long address, long value) {
        try {
            PUT_LONG.invokeExact(address, value);
        } catch (Throwable e) {
            throw error(e);
        }
    }

    /** The methods declare nothing; a page that is not there any more is an {@link InternalError}. */
    private static Error error(Throwable e) {
        return e instanceof Error error ? error : new AssertionError(e);
    }
}
