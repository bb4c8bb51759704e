package loading;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A JVM to start a program in. */
final class Jvm {
    private final List<String> command = new ArrayList<>();
    private final List<String> prefix = new ArrayList<>();
    private boolean allowed = true;

    Jvm() {
        this(Path.of(System.getProperty("java.home")));
    }

    Jvm(Path home) {
        command.add(home.resolve("bin/java").toString());
        command.add("-Xmx64m");
    }

    static int version() {
        return Runtime.version().feature();
    }

    Jvm option(String... options) {
        command.addAll(Arrays.asList(options));
        return this;
    }

    /** A property. */
    Jvm with(String name, Object value) {
        return option("-D" + name + "=" + value);
    }

    /** Not allowed to call native code. */
    Jvm denied() {
        allowed = false;
        return this;
    }

    Jvm classPath(Path... places) {
        return option("-cp", Stream.of(places).map(Path::toString).collect(Collectors.joining(File.pathSeparator)));
    }

    /** In a mount namespace in which /proc shows nothing. The launcher finds its libraries by it otherwise. */
    Jvm withoutProc() {
        String home = System.getProperty("java.home");
        with("java.home", home);
        String libraries = "LD_LIBRARY_PATH=" + home + "/lib:" + home + "/lib/server";
        String hide = "mount -t tmpfs zcio-test /proc && exec env " + libraries + " \"$@\"";
        prefix.addAll(List.of("unshare", "--mount", "sh", "-c", hide, "sh"));
        return this;
    }

    /** Runs it and gives back what it said. */
    String run(String... arguments) throws Exception {
        if (allowed && version() >= 24) {
            command.add(1, "--enable-native-access=ALL-UNNAMED");
        }
        command.addAll(Arrays.asList(arguments));
        command.addAll(0, prefix);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new AssertionError(command + " ended with " + process.exitValue() + ":\n" + said);
        }
        return said;
    }
}
