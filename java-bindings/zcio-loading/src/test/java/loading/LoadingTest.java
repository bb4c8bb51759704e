package loading;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.zcio.Transfer;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.spi.ToolProvider;
import org.apache.catalina.startup.Tomcat;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** zcio works, or gives the documented answer, in every way in which classes are loaded and processes are shut in. */
class LoadingTest {
    private static final Path ZCIO = locationOf(Transfer.class);
    private static final Path PROGRAM = Path.of(System.getProperty("program.jar"));
    private static final Path TARGET = Path.of(System.getProperty("target"));
    private static final Path TESTS = locationOf(LoadingTest.class);
    private static final String WORKS = "works, a channel of zcio's, a closed buffer " + (Jvm.version() < 22 ? "is silent" : "throws");

    @TempDir
    Path directory;

    private static Path locationOf(Class<?> type) {
        try {
            return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (java.net.URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    private static Jvm onClassPath() {
        return new Jvm().classPath(ZCIO, PROGRAM);
    }

    private static void works(String said) {
        assertEquals(WORKS, said.strip());
    }

    /** In the words of the log, once, and of the cause; never with advice for another one. */
    private static void isNotAvailable(String said, String... words) {
        assertTrue(said.contains("not available, a channel of the JDK's: zcio's native library cannot be loaded: "), said);
        assertEquals(1, said.lines().filter(line -> line.startsWith("WARNING: file channels are the JDK's own: ")).count(), said);
        for (String word : words) {
            assertTrue(said.contains(word), said);
        }
    }

    @Test
    void onTheClassPath() throws Exception {
        works(onClassPath().run("loading.Program"));
    }

    @Test
    void onTheModulePath() throws Exception {
        // A program with a name that a module can be called by.
        Path program = Files.copy(PROGRAM, directory.resolve("program.jar"));
        Jvm jvm = new Jvm().option("--module-path", ZCIO + ":" + program, "--add-modules", "io.zcio");
        works((Jvm.version() < 24 ? jvm : jvm.denied().option("--enable-native-access=io.zcio", "--illegal-native-access=deny"))
                .run("--module", "program/loading.Program"));
    }

    @Test
    void inAnImageOfJlink() throws Exception {
        Path image = directory.resolve("image");
        int status = ToolProvider.findFirst("jlink").orElseThrow().run(
                System.out, System.err, "--module-path", ZCIO.toString(), "--add-modules", "io.zcio", "--output", image.toString());
        assertEquals(0, status);
        Jvm jvm = new Jvm(image).option("--add-modules", "io.zcio").classPath(PROGRAM);
        works((Jvm.version() < 24 ? jvm : jvm.option("--enable-native-access=io.zcio")).run("loading.Program"));
    }

    @Test
    void shadedAsBuildsDoByDefault() throws Exception {
        works(new Jvm().run("-jar", TARGET.resolve("shaded.jar").toString()));
    }

    @Test
    void relocated() throws Exception {
        works(new Jvm().run("-jar", TARGET.resolve("relocated.jar").toString()));
        // Beside one that was not moved, in one class loader.
        String both = new Jvm().classPath(TARGET.resolve("relocated.jar"), ZCIO, TESTS).run("loading.Both");
        assertEquals(WORKS + "\ntrue\n", both);
        // The properties are named after the package.
        isNotAvailable(
                new Jvm().with("loading.hidden.zcio.native.path", "/none").run("-jar", TARGET.resolve("relocated.jar").toString()),
                "-Dloading.hidden.zcio.native.path");
    }

    @Test
    void aJarInASpringBootJar() throws Exception {
        works(new Jvm().run("-jar", System.getProperty("nested.jar")));
    }

    @Test
    void severalLoadersAndVersionsAtOnce() throws Exception {
        Path other = OtherVersion.ofJar(ZCIO, directory.resolve("zcio-other.jar"));
        String ours = ZCIO + ":" + PROGRAM;
        String said = new Jvm().classPath(TESTS)
                .run("loading.Versions", ours, ours, other + ":" + PROGRAM, TARGET.resolve("relocated.jar").toString());
        assertEquals((WORKS + "\n").repeat(8), said);
    }

    @Test
    void redeployedInTomcat() throws Exception {
        Path application = Files.createDirectories(directory.resolve("application"));
        Path libraries = Files.createDirectories(application.resolve("WEB-INF/lib"));
        Files.copy(ZCIO, libraries.resolve("zcio.jar"));
        Files.copy(PROGRAM, libraries.resolve("program.jar"));
        Path base = Files.createDirectories(directory.resolve("base"));
        // What Tomcat looks through for what an application leaves behind.
        String said = new Jvm()
                .option("--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.io=ALL-UNNAMED")
                .option("--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.rmi/sun.rmi.transport=ALL-UNNAMED")
                .option("--add-opens=java.base/java.util.concurrent=ALL-UNNAMED")
                .classPath(locationOf(Tomcat.class), locationOf(jakarta.annotation.Resource.class), TESTS)
                .run("loading.Container", base.toString(), application.toString());
        assertEquals(10, said.lines().filter(line -> line.equals("gone")).count(), said);
        assertEquals(20, said.lines().filter(line -> line.equals(WORKS)).count(), said);
        assertTrue(said.contains("threads {}"), said);
        assertFalse(said.contains("WARNING") || said.contains("SEVERE"), said);
    }

    @Test
    void aForeignArchitecture() throws Exception {
        isNotAvailable(onClassPath().with("os.arch", "riscv64").run("loading.Program"), "no library for linux-riscv64", "Build zcio");
    }

    @Test
    void nativeAccessThatIsDenied() throws Exception {
        Assumptions.assumeTrue(Jvm.version() >= 24, "no such option");
        Jvm denied = new Jvm().denied().option("--illegal-native-access=deny").classPath(ZCIO, PROGRAM);
        isNotAvailable(denied.run("loading.Program"), "--enable-native-access=ALL-UNNAMED");
        Path program = Files.copy(PROGRAM, directory.resolve("program.jar"));
        Jvm module = new Jvm().denied().option("--illegal-native-access=deny", "--module-path", ZCIO + ":" + program);
        isNotAvailable(module.option("--add-modules", "io.zcio").run("--module", "program/loading.Program"),
                "--enable-native-access=io.zcio");
    }

    /** The library that the jar carries. */
    private Path library(String name) throws Exception {
        String platform = "linux-" + System.getProperty("os.arch").replace("amd64", "x86_64");
        try (InputStream content = Transfer.class.getResourceAsStream("native/" + platform + "/libzcio_jni.so")) {
            Files.copy(content, directory.resolve(name));
        }
        return directory.resolve(name);
    }

    @Test
    void aPlaceMountedNoexec() throws Exception {
        Path place = directory.resolve("place");
        try (var mount = mounted(place, "noexec")) {
            isNotAvailable(onClassPath().with("io.zcio.native.dir", place).run("loading.Program"), "noexec", "native.dir=");
            library("libzcio_jni.so");
            works(onClassPath().with("io.zcio.native.dir", place).with("java.library.path", directory).run("loading.Program"));
        }
    }

    @Test
    void aPlaceThatIsReadOnly() throws Exception {
        Path place = directory.resolve("place");
        try (var mount = mounted(place, "ro")) {
            isNotAvailable(onClassPath().with("io.zcio.native.dir", place).run("loading.Program"), "Read-only", "native.dir=");
            Path exact = library("zcio.so");
            works(onClassPath().with("io.zcio.native.dir", place).with("io.zcio.native.path", exact).run("loading.Program"));
        }
    }

    /** As in many a container: all that can be written to is a volume for temporary files. */
    @Test
    void aRootThatIsReadOnly() throws Exception {
        Path place = directory.resolve("place");
        try (var mount = mounted(place, "ro")) {
            Path written = Files.createDirectories(directory.resolve("written"));
            works(onClassPath().withReadOnlyRoot(written, "mode=1777").run("loading.Program"));
            isNotAvailable(onClassPath().withReadOnlyRoot(written, "noexec").run("loading.Program"), "noexec", "native.dir=");
            // What was put into the image is mapped from there.
            Path exact = library("zcio.so");
            works(onClassPath().withReadOnlyRoot(written, "noexec").with("io.zcio.native.path", exact).run("loading.Program"));
            isNotAvailable(
                    onClassPath().withReadOnlyRoot(written, "noexec").with("io.zcio.native.dir", "/").run("loading.Program"),
                    "Read-only file system");
        }
    }

    @Test
    void withoutProc() throws Exception {
        try (var mount = mounted(directory.resolve("place"), "ro")) {
            isNotAvailable(onClassPath().withoutProc().run("loading.Program"), "/proc is not mounted here", "native.path=");
            works(onClassPath().withoutProc().with("io.zcio.native.path", library("zcio.so")).run("loading.Program"));
        }
    }

    @Test
    void aLibraryOfAnotherVersion() throws Exception {
        Path other = OtherVersion.of(library("libzcio_jni.so"), directory.resolve("other.so"));
        isNotAvailable(onClassPath().with("io.zcio.native.path", other).run("loading.Program"),
                other + " is of version " + OtherVersion.NAME, "built with these classes");
        Files.move(other, directory.resolve("libzcio_jni.so"), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        // The jar's own comes first; both are heard of if neither will do.
        works(onClassPath().with("java.library.path", directory).run("loading.Program"));
        isNotAvailable(
                onClassPath().with("java.library.path", directory).with("io.zcio.native.dir", "/proc").run("loading.Program"),
                "/proc",
                "java.library.path is of version " + OtherVersion.NAME);
    }

    @Test
    void aLibraryOfSomebodyElses() throws Exception {
        isNotAvailable(onClassPath().with("io.zcio.native.path", "/proc/self/exe").run("loading.Program"), "native.path");
        Path none = directory.resolve("none.so");
        isNotAvailable(onClassPath().with("io.zcio.native.path", none).run("loading.Program"), none.toString());
    }

    private static AutoCloseable mounted(Path at, String options) throws Exception {
        Files.createDirectories(at);
        Process mount = new ProcessBuilder("mount", "-t", "tmpfs", "-o", options, "zcio-test", at.toString()).start();
        boolean mounted = mount.waitFor() == 0;
        if (!mounted) {
            System.out.println("skipped: no right to mount a file system");
            Assertions.assertTrue(System.getenv("ZCIO_REQUIRE") == null, "ZCIO_REQUIRE is set, and mount(8) is refused");
        }
        Assumptions.assumeTrue(mounted, "no right to mount a file system");
        return () -> new ProcessBuilder("umount", at.toString()).start().waitFor();
    }
}
