package io.zcio;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.Buffer;
import java.nio.ByteBuffer;

/**
 * Keeps the memory of a direct buffer from being freed while native code uses its address, as NIO does around its own calls:
 * by acquiring the session of the arena that the buffer comes from ({@code jdk.internal.access.JavaNioAccess}). While it is
 * acquired {@code Arena.close()} is refused. One that is closed, or confined to another thread, cannot be acquired, and says so
 * in the JDK's own words. A buffer of {@link ByteBuffer#allocateDirect} has no session; it is freed when it is unreachable.
 *
 * <p>The methods have changed with the versions: a handle or a {@code Runnable} that releases (17 to 19), a pair of methods that
 * take the buffer (from 20 on).
 */
final class BufferSession {
    /** {@code acquireSession(buffer)}, whose result is a token for the release, or null; null if there is no such method. */
    private static final MethodHandle ACQUIRE;
    /** {@code releaseSession(buffer)}; null if the token releases. */
    private static final MethodHandle RELEASE;
    /** {@code Scope.Handle.scope()} and {@code Scope.release(Handle)}, of a token that is such a handle. */
    private static final MethodHandle SCOPE;
    private static final MethodHandle RELEASE_SCOPE;
    /** {@code Buffer.address} */
    private static final MethodHandle ADDRESS = Internals.field("java.nio.Buffer", "address", long.class, long.class, ByteBuffer.class);

    static {
        String owner = "jdk.internal.access.JavaNioAccess";
        String ofScope = "jdk.internal.misc.ScopedMemoryAccess$Scope";
        String ofHandle = ofScope + "$Handle";
        Class<?> type = Internals.type(owner);
        Class<?> scope = Internals.type(ofScope);
        Class<?> handle = Internals.type(ofHandle);
        Object access = Internals.call("jdk.internal.access.SharedSecrets", "getJavaNioAccess", type);
        MethodHandle acquire =
                bound(access, Internals.method(owner, "acquireSession", void.class, Object.class, Buffer.class));
        RELEASE = bound(access, Internals.method(owner, "releaseSession", void.class, Object.class, Buffer.class));
        if (acquire != null && RELEASE != null) {
            ACQUIRE = MethodHandles.filterReturnValue(acquire, MethodHandles.constant(Object.class, null));
        } else {
            acquire = scoped(owner, type, "acquireScope", handle);
            acquire = acquire == null ? scoped(owner, type, "acquireScope", Runnable.class) : acquire;
            acquire = acquire == null ? scoped(owner, type, "acquireSession", Runnable.class) : acquire;
            acquire = bound(access, acquire);
            // Not for an operation that another thread will end.
            ACQUIRE = acquire == null ? null : MethodHandles.insertArguments(acquire, 1, false);
        }
        SCOPE = Internals.method(
                ofHandle, "scope", Internals.signature(scope, handle), MethodType.methodType(Object.class, Object.class));
        RELEASE_SCOPE = Internals.method(
                ofScope,
                "release",
                Internals.signature(void.class, scope, handle),
                MethodType.methodType(void.class, Object.class, Object.class));
    }

    private static MethodHandle scoped(String owner, Class<?> access, String name, Class<?> token) {
        return Internals.method(
                owner,
                name,
                Internals.signature(token, access, Buffer.class, boolean.class),
                MethodType.methodType(Object.class, Object.class, Buffer.class, boolean.class));
    }

    private BufferSession() {}

    private static MethodHandle bound(Object access, MethodHandle method) {
        return access == null || method == null ? null : method.bindTo(access);
    }

    /** Where a direct buffer's memory begins. */
    static long address(ByteBuffer buffer) {
        if (ADDRESS == null) {
            return Native.address(buffer);
        }
        try {
            return (long) ADDRESS.invokeExact(buffer);
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    /**
     * Holds the buffer's memory until the hold is closed, by whatever thread.
     *
     * @throws IllegalStateException if its arena is closed
     * @throws RuntimeException      {@code WrongThreadException} if it is confined to another thread
     */
    static End.Hold hold(ByteBuffer buffer) {
        if (ACQUIRE == null) {
            throw new IllegalStateException("zcio does not know this Java runtime: it cannot keep a buffer's memory");
        }
        try {
            Object token = (Object) ACQUIRE.invokeExact((Buffer) buffer);
            return () -> release(buffer, token);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }

    private static void release(ByteBuffer buffer, Object token) {
        try {
            if (RELEASE != null) {
                RELEASE.invokeExact((Buffer) buffer);
            } else if (token instanceof Runnable runnable) {
                runnable.run();
            } else if (token != null) {
                RELEASE_SCOPE.invokeExact((Object) SCOPE.invokeExact(token), token);
            }
        } catch (Throwable e) {
            throw Internals.unexpected(e);
        }
    }
}
