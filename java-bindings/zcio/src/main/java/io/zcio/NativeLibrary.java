package io.zcio;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/**
 * Finds the native library and loads it, and says why that cannot be. See the package's description for the places and the two
 * properties.
 *
 * <p>A JVM gives a library file to one class loader. So each loader of these classes extracts a file of its own
 * ({@link Extraction}), and several, of several versions too, are there side by side. The library belongs to the loader and goes
 * with it.
 */
final class NativeLibrary {
    /** The properties are named after the package, should a build have moved it. */
    private static final String PREFIX = NativeLibrary.class.getPackageName() + ".native.";
    /** Names the directory to extract to. */
    static final String DIRECTORY = PREFIX + "dir";
    /** Names the library to load. */
    static final String PATH = PREFIX + "path";

    private static volatile boolean loaded;
    /** The version of these classes, when it has been read. */
    private static String expected;
    /** What will not be otherwise the next time. */
    private static UnsatisfiedLinkError refusal;

    private NativeLibrary() {}

    /**
     * Loads the library, if that has not been done; an {@link UnsatisfiedLinkError} says why not, and what to do, every time.
     * Whatever leads to native code calls this first: a class whose initializer failed would fail for ever, and in another way.
     */
    static void load() {
        if (!loaded) {
            loadOnce();
        }
    }

    /** Why {@link #load} fails; null if it does not. */
    static UnsatisfiedLinkError unavailabilityCause() {
        try {
            load();
            return null;
        } catch (UnsatisfiedLinkError e) {
            return e;
        }
    }

    /** Loads the library, if that has not been done, and binds the native methods of a class of that name. */
    static void bind(Class<?> type, String name) {
        load();
        register(type, name);
    }

    /** The version of the native library; bound when it is loaded, as the next one. */
    static native String version();

    /** Binds the native methods of a class. {@link Upcalls}, which has none, has to be the first. */
    private static native void register(Class<?> type, String name);

    private static synchronized void loadOnce() {
        if (loaded) {
            return;
        }
        if (refusal != null) {
            throw LoadFailure.again(refusal);
        }
        try {
            find();
            register(Upcalls.class, "Upcalls");
            loaded = true;
        } catch (IOException | LinkageError | RuntimeException e) {
            UnsatisfiedLinkError failure = LoadFailure.of(e);
            if (!LoadFailure.mayPass(e)) {
                refusal = failure;
            }
            throw failure;
        }
    }

    /** In the named place; or else as the jar has it, or where the JVM looks for libraries. */
    private static void find() throws IOException {
        String exact = System.getProperty(PATH);
        if (exact != null) {
            accept(Path.of(exact).toAbsolutePath());
            return;
        }
        try {
            Path library = Extraction.extract(expectedVersion());
            try {
                accept(library);
            } finally {
                // It stays mapped.
                Files.deleteIfExists(library);
            }
        } catch (IOException | LinkageError | RuntimeException e) {
            try {
                System.loadLibrary("zcio_jni");
                requireVersion("that in java.library.path");
            } catch (LinkageError | RuntimeException none) {
                e.addSuppressed(none);
                throw e;
            }
        }
    }

    private static void accept(Path library) throws IOException {
        System.load(library.toString());
        requireVersion(library.toString());
    }

    /** Java classes and native code fit together if they are of one version. */
    private static void requireVersion(String library) throws IOException {
        String version;
        try {
            version = version();
        } catch (UnsatisfiedLinkError e) {
            throw new UnsatisfiedLinkError(library + " is no library of zcio's, or of a version before 0.1");
        }
        if (!version.equals(expectedVersion())) {
            throw new UnsatisfiedLinkError(
                    library + " is of version " + version + ", and these classes are of version " + expectedVersion());
        }
    }

    private static String expectedVersion() throws IOException {
        if (expected != null) {
            return expected;
        }
        try (InputStream stream = NativeLibrary.class.getResourceAsStream("native.properties")) {
            Properties properties = new Properties();
            properties.load(stream);
            expected = properties.getProperty("version");
            return expected;
        }
    }
}
