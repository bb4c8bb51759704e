package io.zcio;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** What is worth saying once in the life of a process, through {@link System.Logger}, under the name {@code io.zcio}. */
final class Notices {
    private static final Set<String> SAID = ConcurrentHashMap.newKeySet();

    private Notices() {}

    static void once(String key, Supplier<String> text) {
        if (SAID.add(key)) {
            System.getLogger("io.zcio").log(System.Logger.Level.WARNING, text);
        }
    }
}
