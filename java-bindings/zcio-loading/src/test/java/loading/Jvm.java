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
        return apart("mount -t tmpfs zcio-test /proc", "env " + libraries);
    }

    /** In a mount namespace with a root that is read-only, but for the place for temporary files, a memory of its own. */
    Jvm withReadOnlyRoot(Path temporary, String options) {
        with("java.io.tmpdir", temporary);
        String place = "mount -t tmpfs -o " + options + " zcio-test '" + temporary + "'";
        // What is mounted below the root stays as it is: the bind shows what is on the root's own file system.
        return apart(place + " && mount -o remount,bind,ro /", "");
    }

    /** In a mount namespace of its own, which the command has changed. */
    private Jvm apart(String change, String before) {
        prefix.addAll(List.of("unshare", "--mount", "sh", "-c", change + " && exec " + before + " \"$@\"", "sh"));
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
