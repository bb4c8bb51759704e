package io.zcio;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A JVM of its own with zcio on the class path, for what a running JVM cannot be asked to do twice. */
final class Child {
    private final List<String> options = new ArrayList<>();
    private final List<String> arguments;
    private final String mainClass;
    private final List<Path> classPath = new ArrayList<>();
    private final Map<String, String> environment = new TreeMap<>();
    private Path directory;
    private int status;
    private int descriptors;

    private Child(String mainClass, List<String> arguments) {
        this.mainClass = mainClass;
        this.arguments = arguments;
        classPath.add(locationOf(Transfer.class));
    }

    /** A class among the tests. */
    static Child of(Class<?> mainClass, String... arguments) {
        return new Child(mainClass.getName(), List.of(arguments)).classPath(locationOf(mainClass));
    }

    /** Any class; say where it is. */
    static Child of(String mainClass, String... arguments) {
        return new Child(mainClass, List.of(arguments));
    }

    /** Where a class was loaded from: a jar or a directory. */
    static Path locationOf(Class<?> loaded) {
        try {
            return Path.of(loaded.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (java.net.URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    Child classPath(Path entry) {
        classPath.add(entry);
        return this;
    }

    Child property(String name, Object value) {
        options.add("-D" + name + "=" + value);
        return this;
    }

    Child option(String option) {
        options.add(option);
        return this;
    }

    Child environment(String name, String value) {
        environment.put(name, value);
        return this;
    }

    Child directory(Path directory) {
        this.directory = directory;
        return this;
    }

    /** It may have so many descriptors and no more. */
    Child descriptors(int most) {
        descriptors = most;
        return option("-XX:-MaxFDLimit");
    }

    Child status(int expected) {
        this.status = expected;
        return this;
    }

    /** Runs it and gives back what it printed; fails if it ends with another status than expected. */
    String run() throws Exception {
        Process process = start();
        String said = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != status) {
            throw new AssertionError(mainClass + " ended with " + process.exitValue() + ":\n" + said);
        }
        return said;
    }

    /** Starts it, to talk to. */
    Process start() throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx64m");
        if (Runtime.version().feature() >= 24) {
            command.add("--enable-native-access=ALL-UNNAMED");
        }
        command.addAll(options);
        command.add("-cp");
        command.add(String.join(File.pathSeparator, classPath.stream().map(Path::toString).toList()));
        command.add(mainClass);
        command.addAll(arguments);
        if (descriptors > 0) {
            command.addAll(0, List.of("sh", "-c", "ulimit -n " + descriptors + " && exec \"$@\"", "sh"));
        }
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        if (directory != null) {
            builder.directory(directory.toFile());
        }
        return builder.start();
    }
}
