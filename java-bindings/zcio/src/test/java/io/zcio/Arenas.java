package io.zcio;

import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;

/** {@code java.lang.foreign.Arena}, for tests that are compiled for 17. */
final class Arenas {
    static final boolean EXIST = Runtime.version().feature() >= 22;

    private final Object arena;

    private Arenas(String kind) {
        try {
            arena = type().getMethod(kind).invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    static Arenas shared() {
        return new Arenas("ofShared");
    }

    static Arenas confined() {
        return new Arenas("ofConfined");
    }

    ByteBuffer allocate(int size) {
        try {
            Object segment = type().getMethod("allocate", long.class).invoke(arena, (long) size);
            Class<?> segments = Class.forName("java.lang.foreign.MemorySegment");
            return (ByteBuffer) segments.getMethod("asByteBuffer").invoke(segment);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /** Throws what {@code Arena.close} does: {@link IllegalStateException} while the arena is in use. */
    void close() {
        try {
            type().getMethod("close").invoke(arena);
        } catch (InvocationTargetException e) {
            throw (RuntimeException) e.getCause();
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    private static Class<?> type() throws ClassNotFoundException {
        return Class.forName("java.lang.foreign.Arena");
    }
}
