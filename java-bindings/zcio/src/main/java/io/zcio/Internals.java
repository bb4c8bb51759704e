package io.zcio;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.util.Arrays;
import java.util.Objects;

/**
 * Finds members of the JDK's own classes, with types that can be named here; null for what this runtime does not have, which then
 * costs only what needs it.
 *
 * <p>Their packages are not open to others. The native code, which encapsulation does not bind, hands over one member at a time of
 * those that it has in a list, and never what sees them all. Not before {@link NativeLibrary#load}.
 */
final class Internals {
    private static final int GETTER = 0;
    private static final int VIRTUAL = 1;
    private static final int STATIC = 2;

    private Internals() {}

    /** The class, or null; knowing it opens nothing. */
    static Class<?> type(String name) {
        try {
            return Class.forName(name, false, null);
        } catch (ClassNotFoundException e) {
            return null;
        }
    }

    static MethodHandle field(String owner, String name, Class<?> type, Class<?> as, Class<?> of) {
        return type == null ? null : seen(NativeInternals.find(owner, name, MethodType.methodType(type), GETTER), MethodType.methodType(as, of));
    }

    /** {@code arguments} begins with the type by which the receiver is known here. */
    static MethodHandle method(String owner, String name, Class<?> result, Class<?>... arguments) {
        MethodType type = MethodType.methodType(result, arguments);
        return method(owner, name, type, type);
    }

    /** As above, where some of the method's own types cannot be named here: {@code seen} is what it is called with. */
    static MethodHandle method(String owner, String name, MethodType own, MethodType seen) {
        return own == null ? null : seen(NativeInternals.find(owner, name, own.dropParameterTypes(0, 1), VIRTUAL), seen);
    }

    /** What a static method without arguments gives. */
    static Object call(String owner, String name, Class<?> result) {
        MethodHandle method = result == null ? null : NativeInternals.find(owner, name, MethodType.methodType(result), STATIC);
        try {
            return method == null ? null : method.invoke();
        } catch (Throwable e) {
            return null;
        }
    }

    /** A method's type; null if one of its types is not there, and so it is not, either. */
    static MethodType signature(Class<?> result, Class<?>... arguments) {
        boolean complete = result != null && Arrays.stream(arguments).allMatch(Objects::nonNull);
        return complete ? MethodType.methodType(result, arguments) : null;
    }

    private static MethodHandle seen(MethodHandle found, MethodType type) {
        return found == null ? null : found.asType(type);
    }

    /** What a method handle for something that does not fail has thrown. */
    static IllegalStateException unexpected(Throwable e) {
        return new IllegalStateException("zcio does not know this Java runtime", e);
    }
}
