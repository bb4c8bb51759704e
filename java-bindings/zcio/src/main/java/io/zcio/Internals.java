package io.zcio;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * Finds members of the JDK's own classes, with types that can be named here; null for what this runtime does not have.
 *
 * <p>Their packages are not open to others; the native code, which encapsulation does not bind, hands over the lookup that sees
 * them.
 */
record Internals(MethodHandles.Lookup lookup) {
    Internals() {
        this(ChannelNative.trustedLookup());
    }

    Class<?> type(String name) {
        try {
            return Class.forName(name, false, null);
        } catch (ClassNotFoundException e) {
            return null;
        }
    }

    MethodHandle field(Class<?> owner, String name, Class<?> type, Class<?> as, Class<?> of) {
        try {
            return lookup.findGetter(owner, name, type).asType(MethodType.methodType(as, of));
        } catch (ReflectiveOperationException | NullPointerException e) {
            return null;
        }
    }

    /** {@code arguments} begins with the type by which the receiver is known here. */
    MethodHandle method(Class<?> owner, String name, Class<?> result, Class<?>... arguments) {
        return method(owner, name, MethodType.methodType(result, arguments), MethodType.methodType(result, arguments));
    }

    /** As above, where some of the method's own types cannot be named here: {@code seen} is what it is called with. */
    MethodHandle method(Class<?> owner, String name, MethodType own, MethodType seen) {
        try {
            return lookup.findVirtual(owner, name, own.dropParameterTypes(0, 1)).asType(seen);
        } catch (ReflectiveOperationException | NullPointerException e) {
            return null;
        }
    }

    /** What a static method without arguments gives. */
    Object call(Class<?> owner, String name, Class<?> result) {
        try {
            return lookup.findStatic(owner, name, MethodType.methodType(result)).invoke();
        } catch (Throwable e) {
            return null;
        }
    }

    /** What a method handle for something that does not fail has thrown. */
    static IllegalStateException unexpected(Throwable e) {
        return new IllegalStateException("zcio does not know this Java runtime", e);
    }
}
