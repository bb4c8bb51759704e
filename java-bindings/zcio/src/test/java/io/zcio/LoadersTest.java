package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URLClassLoader;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * zcio in class loaders that come and go, as those of web applications: each has a native library of its own, and all of it goes
 * with the loader. Each test is a JVM of its own.
 */
@Timeout(120)
class LoadersTest {
    @TempDir
    Path directory;

    private static void awaitGone(WeakReference<?> loader, String what) throws Exception {
        awaitThat(() -> loader.get() == null, what);
    }

    /** Collects garbage until it is so. */
    private static void awaitThat(Callable<Boolean> gone, String what) throws Exception {
        for (int i = 0; !gone.call(); i++) {
            if (i == 500) {
                throw new AssertionError("kept: " + what);
            }
            System.gc();
            Thread.sleep(20);
        }
    }

    /** Of Java's and of the native code's. */
    private static List<String> threads() throws Exception {
        try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            List<String> found = new ArrayList<>();
            for (Path task : tasks) {
                try {
                    found.add(Files.readString(task.resolve("comm")).strip());
                } catch (IOException e) {
                    // It has ended since it was listed.
                }
            }
            found.removeIf(name -> !name.startsWith("zcio"));
            return found;
        }
    }

    private static long mapped() throws Exception {
        try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("libzcio_jni") && line.contains("r-x")).count();
        }
    }

    private static WeakReference<ClassLoader> deploy(int number, Path directory) throws Exception {
        try (URLClassLoader loader = DeployedWork.deployment("deployment-" + number)) {
            DeployedWork.in(loader, "everything", directory);
            return new WeakReference<>(loader);
        }
    }

    /** An application is deployed again and again, the former one being collected. */
    static final class Again {
        public static void main(String[] arguments) throws Exception {
            for (int i = 0; i < 5; i++) {
                int number = i;
                // The C library keeps a library for the threads in which it has something to tidy up at their end.
                FutureTask<WeakReference<ClassLoader>> work = new FutureTask<>(() -> deploy(number, Path.of(arguments[0])));
                new Thread(work).start();
                awaitGone(work.get(), "deployment " + i);
                awaitThat(() -> threads().isEmpty(), "threads");
                // One that a thread was just leaving, a cleaner's perhaps, goes with the next one that is unloaded.
                awaitThat(() -> mapped() <= 1, "libraries");
                System.out.println("gone");
            }
        }
    }

    @Test
    void aDeploymentIsCollectedAndTheNextOneWorks() throws Exception {
        String said = run(Again.class);
        List<String> lines = said.lines().filter(line -> line.equals("gone")).toList();
        assertEquals(5, lines.size(), said);
    }

    /** An application that is stopped with everything open. */
    static final class Careless {
        public static void main(String[] arguments) throws Exception {
            awaitGone(stopped(Path.of(arguments[0])), "what has something open");
            System.out.println("gone");
        }

        private static WeakReference<ClassLoader> stopped(Path directory) throws Exception {
            try (URLClassLoader loader = DeployedWork.deployment("careless")) {
                DeployedWork.in(loader, "leavesOpen", directory);
                return new WeakReference<>(loader);
            }
        }
    }

    @Test
    void whatIsLeftOpenKeepsNoLoader() throws Exception {
        assertTrue(run(Careless.class).endsWith("gone\n"));
    }

    /** Two applications at the same time, whatever the thread's context loader is. */
    static final class Together {
        public static void main(String[] arguments) throws Exception {
            Path directory = Path.of(arguments[0]);
            URLClassLoader one = DeployedWork.deployment("one");
            URLClassLoader other = DeployedWork.deployment("other");
            for (int i = 0; i < 2; i++) {
                DeployedWork.in(one, "everything", directory);
                DeployedWork.in(other, "everything", directory);
            }
            DeployedWork.everything(directory);
            // Somebody else's context, which has zcio too.
            Thread.currentThread().setContextClassLoader(other);
            var work = Class.forName(DeployedWork.class.getName(), true, one).getMethod("everything", Path.class);
            work.invoke(null, directory);
            System.out.println("three at work, " + mapped() + " libraries");
        }
    }

    @Test
    void severalLoadersAtOnce() throws Exception {
        String said = run(Together.class);
        assertTrue(said.endsWith("three at work, 3 libraries\n"), said);
    }

    /** The guard of a library whose loader is gone, and that of a later one which hands faults on to it. */
    static final class Guards {
        public static void main(String[] arguments) throws Exception {
            Path directory = Path.of(arguments[0]);
            URLClassLoader later = DeployedWork.deployment("later");
            awaitGone(guarded(directory), "the guard's loader");
            nio(directory);
            DeployedWork.in(later, "guarded", directory);
            awaitGone(guarded(directory), "the last guard's loader");
            nio(directory);
            DeployedWork.in(later, "fault", directory);
            System.out.println("alive, " + mapped() + " libraries");
        }

        private static WeakReference<ClassLoader> guarded(Path directory) throws Exception {
            try (URLClassLoader loader = DeployedWork.deployment("guarded")) {
                DeployedWork.in(loader, "guarded", directory);
                return new WeakReference<>(loader);
            }
        }

        /** A fault of the JVM's own. */
        private static void nio(Path directory) throws Exception {
            Path file = Files.write(directory.resolve("nio"), new byte[3 * 4096]);
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                MappedByteBuffer buffer = channel.map(MapMode.READ_WRITE, 0, 3 * 4096);
                channel.truncate(4096);
                buffer.get(2 * 4096);
                throw new AssertionError("no fault");
            } catch (InternalError e) {
                // As it should.
            }
        }
    }

    @Test
    void theGuardOutlivesItsLoader() throws Exception {
        assertEquals("alive, 3 libraries\n", run(Guards.class));
    }

    private String run(Class<?> program) throws Exception {
        return Child.of(program, directory.toString()).run();
    }
}
