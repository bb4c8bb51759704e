package io.zcio;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Function;

/**
 * What goes to the native code and comes from it in one piece: numbers in one array, and the few objects that are not numbers.
 * Both sides write and read in the order of the declaration. What was not said is -1.
 */
final class Packed {
    /** As many as a call has; known to the native code. */
    private static final int MOST = 16;

    final long[] numbers;
    private final Object[] objects;
    private int number;
    /** The first one is the array of numbers. */
    private int object = 1;

    /** For a call. */
    Packed() {
        this(new long[MOST], null);
    }

    private Packed(long[] numbers, Object[] objects) {
        this.numbers = numbers;
        this.objects = objects;
    }

    /** The answer to a call, which is in its own array where that is all. */
    static Packed answered(long[] call, Object[] answer) {
        return answer == null ? new Packed(call, null) : new Packed((long[]) answer[0], answer);
    }

    /** A report of what the native code gives, or null if it gives none. */
    static <T> T read(Object[] answer, Function<Packed, T> reader) {
        return answer == null ? null : reader.apply(answered(null, answer));
    }

    Packed put(long value) {
        numbers[number++] = value;
        return this;
    }

    Packed put(boolean value) {
        return put(value ? 1 : 0);
    }

    Packed put(Enum<?> value) {
        return put(value == null ? -1 : value.ordinal());
    }

    long number() {
        return numbers[number++];
    }

    boolean flag() {
        return number() != 0;
    }

    OptionalLong optionalLong() {
        long value = number();
        return value < 0 ? OptionalLong.empty() : OptionalLong.of(value);
    }

    OptionalInt optionalInt() {
        int value = (int) number();
        return value < 0 ? OptionalInt.empty() : OptionalInt.of(value);
    }

    Object object() {
        return objects[object++];
    }

    String text() {
        return (String) object();
    }

    <T> Optional<T> optional(Function<Packed, T> reader) {
        return flag() ? Optional.of(reader.apply(this)) : Optional.empty();
    }

    <T> List<T> list(Function<Packed, T> reader) {
        int count = (int) number();
        if (count == 0) {
            return List.of();
        }
        List<T> all = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            all.add(reader.apply(this));
        }
        return List.copyOf(all);
    }

    /** A report as text: its name, and what each of its parts is called and is. */
    static String shown(String name, Object... parts) {
        StringBuilder text = new StringBuilder(name);
        for (int i = 0; i < parts.length; i += 2) {
            text.append(i == 0 ? "[" : ", ").append(parts[i]).append('=').append(parts[i + 1]);
        }
        return text.append(']').toString();
    }
}
