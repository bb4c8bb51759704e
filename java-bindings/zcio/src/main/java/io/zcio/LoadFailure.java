package io.zcio;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Why the native library cannot be loaded, in words that say what to do about that cause and no other. */
final class LoadFailure {
    private LoadFailure() {}

    static UnsatisfiedLinkError of(Throwable cause) {
        String what = cause instanceof UnsatisfiedLinkError ? cause.getMessage() : cause.toString();
        for (Throwable second : cause.getSuppressed()) {
            // That there is none in java.library.path, where none needs to be, is no news.
            if (second instanceof UnsatisfiedLinkError && !second.getMessage().startsWith("no zcio_jni in ")) {
                what += "; and " + second.getMessage();
            }
        }
        return because("zcio's native library cannot be loaded: " + what + ". " + advice(cause, String.valueOf(what)), cause);
    }

    /** The same for another caller, who has a stack of his own. */
    static UnsatisfiedLinkError again(UnsatisfiedLinkError failure) {
        return because(failure.getMessage(), failure.getCause());
    }

    private static UnsatisfiedLinkError because(String message, Throwable cause) {
        UnsatisfiedLinkError error = new UnsatisfiedLinkError(message);
        error.initCause(cause);
        return error;
    }

    /** Whether it can be otherwise the next time: for want of descriptors, memory or room. What the library is does not change. */
    static boolean mayPass(Throwable cause) {
        String message = String.valueOf(cause.getMessage());
        return cause instanceof IOException
                || message.contains("Too many open files")
                || message.contains("Cannot allocate memory");
    }

    private static String advice(Throwable cause, String what) {
        String exact = "-D" + NativeLibrary.PATH + "=<the file libzcio_jni.so itself>";
        String directory = "-D" + NativeLibrary.DIRECTORY + "=<a directory of your own>";
        if (!System.getProperty("os.name").toLowerCase(Locale.ROOT).equals("linux")) {
            return "zcio is for Linux";
        } else if (cause instanceof IllegalCallerException) {
            Module module = LoadFailure.class.getModule();
            return "Start the JVM with --enable-native-access=" + (module.isNamed() ? module.getName() : "ALL-UNNAMED");
        } else if (what.contains("has no library for")) {
            return "Build zcio on such a machine and add its library to the jar, or set " + exact;
        } else if (what.contains("is of version") || what.contains("no library of zcio's")) {
            return "Give the library that was built with these classes, or none: the jar has it";
        } else if (what.contains("failed to map segment")) {
            return "The file system is mounted noexec, or a security module forbids it. Set " + directory
                    + " on another file system, or " + exact;
        } else if (what.contains("GLIBC_") || what.contains("ld-linux") || what.contains("libc.so.6")) {
            return "It was built for another C library, or a newer one: build zcio on this system, and set " + exact;
        } else if (Files.notExists(Path.of("/proc/self/status"))) {
            return "/proc is not mounted here, and nobody else says whose a directory has to be. Mount it, or set " + exact;
        } else if (System.getProperty(NativeLibrary.PATH) != null) {
            return "The file is the one that -D" + NativeLibrary.PATH + " names";
        }
        return "Set " + directory + ", or " + exact;
    }
}
