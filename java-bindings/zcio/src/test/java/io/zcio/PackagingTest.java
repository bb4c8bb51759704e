package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What is in the jar beside classes, and that it is complete. */
class PackagingTest {
    private static final Path JAR = Child.locationOf(Transfer.class);
    private static final String METADATA = "META-INF/native-image/io.zcio/zcio/";

    /** Classes that only a JDK from 22 on loads; and none at all. */
    private static final String FOR_22 = "io/zcio/(Jdk22|Segment(Memory|Pages).*|RegionSegments|ArenaFileChannel)|module-info";

    private static String entry(String name) throws IOException {
        try (JarFile jar = new JarFile(JAR.toFile())) {
            assertNotNull(jar.getEntry(name), "no " + name + " in " + JAR);
            try (InputStream in = jar.getInputStream(jar.getEntry(name))) {
                return new String(in.readAllBytes());
            }
        }
    }

    private static Set<String> matches(String text, String pattern) {
        Set<String> found = new TreeSet<>();
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        while (matcher.find()) {
            found.add(matcher.group(1));
        }
        return found;
    }

    /** GraalVM keeps for JNI only what it is told of; everything the bridge looks up by name must be in the list. */
    @Test
    void everythingTheBridgeLooksUpIsReachable() throws Exception {
        StringBuilder rust = new StringBuilder();
        try (Stream<Path> files = Files.walk(Path.of("../src")).filter(path -> path.toString().endsWith(".rs"))) {
            for (Path file : (Iterable<Path>) files::iterator) {
                rust.append(Files.readString(file));
            }
        }
        Set<String> lookedUp = matches(rust.toString(), "jni_str!\\(\\s*\"([^\"]+)\"");
        assertTrue(lookedUp.size() > 20, lookedUp.toString());
        Set<String> listed = matches(entry(METADATA + "jni-config.json"), "\"name\": \"([^\"]+)\"");
        Set<String> missing = new TreeSet<>();
        for (String name : lookedUp) {
            String java = name.replace('/', '.');
            if (!listed.contains(java)) {
                missing.add(java);
            }
        }
        assertEquals(Set.of(), missing, "not in jni-config.json");
    }

    /** The members that method handles are asked for, in the format of today and in that of older native images. */
    @Test
    void everythingThatReflectionLooksUpIsReachable() throws Exception {
        String rust = Files.readString(Path.of("../src/internals.rs"));
        Set<String> classes = matches(rust, "\\(\"([\\w.$]+)\", (?:&|STREAM)");
        assertTrue(classes.size() > 8, classes.toString());
        Set<String> members = matches(rust, "\"(\\w+)\"[,\\]]");
        String today = entry(METADATA + "reachability-metadata.json");
        String old = entry(METADATA + "reflect-config.json");
        for (String metadata : new String[] {today, old}) {
            Set<String> listed = matches(metadata, "\"(?:name|type)\": \"([^\"]+)\"");
            assertTrue(listed.containsAll(classes), listed.toString());
            assertTrue(listed.containsAll(members), members + " in " + listed);
        }
        Set<String> jni = matches(entry(METADATA + "jni-config.json"), "(?m)^ *\\{\"name\": \"([^\"]+)\"");
        assertEquals(jni, matches(today, "(?m)^ *\\{\"type\": \"([^\"]+)\".*\"jniAccessible\": true"));
        Set<String> reflection = matches(old, "(?m)^ *\\{\"name\": \"([^\"]+)\"");
        assertTrue(matches(today, "\"type\": \"([^\"]+)\"").containsAll(reflection));
    }

    /** What a repository and a lawyer ask for. */
    @Test
    void thePomStandsAloneAndTheLicencesAreThere() throws Exception {
        assertTrue(entry("META-INF/LICENSE-MIT").contains("MIT"));
        assertTrue(entry("META-INF/LICENSE-APACHE").contains("Apache License"));
        String licences = entry("META-INF/LICENSES-OF-CRATES.txt");
        Set<String> crates = matches(entry("META-INF/sbom/crates.cdx.json"), "\"purl\": \"pkg:cargo/([^\"@]+)@");
        assertTrue(crates.containsAll(Set.of("jni", "nix", "libc", "memmap2")), crates.toString());
        for (String crate : crates) {
            assertTrue(licences.contains("\n" + crate + " "), crate);
        }
        String pom = Files.readString(Path.of(System.getProperty("zcio.pom")));
        assertFalse(pom.contains("<parent>") || pom.contains("${") || pom.contains("junit"), pom);
        for (String element : new String[] {"name", "description", "url", "licenses", "developers", "scm"}) {
            assertTrue(pom.contains("<" + element), element);
        }
        assertTrue(pom.contains("<url>https://github.com/zcio/zcio</url>"), pom);
    }

    /** A name that no longer exists would be believed for ever. */
    @Test
    void everyListedClassExists() throws Exception {
        for (String file : new String[] {"jni-config.json", "reflect-config.json"}) {
            Set<String> names = matches(entry(METADATA + file), "(?m)^ *\\{\"name\": \"([^\"\\[]+)(?:\\[\\])?\"");
            assertFalse(names.isEmpty());
            for (String name : names) {
                int version = Runtime.version().feature();
                if (name.startsWith("jdk.internal.foreign.") && version < 22
                        || name.startsWith("jdk.internal.misc.ScopedMemoryAccess$") && version > 17) {
                    continue;
                }
                assertNotNull(Class.forName(name, false, getClass().getClassLoader()), name);
            }
        }
    }

    @Test
    void theNativeLibraryIsReachableAsAResource() throws Exception {
        String resources = entry(METADATA + "resource-config.json");
        try (JarFile jar = new JarFile(JAR.toFile())) {
            Set<String> patterns = new TreeSet<>();
            matches(resources, "\"pattern\": \"([^\"]+)\"").forEach(p -> patterns.add(p.replace("\\\\", "\\")));
            for (String pattern : patterns) {
                assertTrue(jar.stream().anyMatch(entry -> entry.getName().matches(pattern)), pattern);
            }
        }
    }

    @Test
    void theManifestAllowsNativeAccess() throws Exception {
        try (JarFile jar = new JarFile(JAR.toFile())) {
            Manifest manifest = jar.getManifest();
            // The JDK reads it in the jar that `java -jar` names: right in one that an application is shaded into.
            assertEquals("ALL-UNNAMED", manifest.getMainAttributes().getValue("Enable-Native-Access"));
        }
    }

    /** Whoever joins jars may drop what the manifest says; so there is but one version of each class. */
    @Test
    void theJarIsValidAndHasNoVersions() throws Exception {
        try (JarFile jar = new JarFile(JAR.toFile())) {
            assertTrue(jar.stream().noneMatch(entry -> entry.getName().startsWith("META-INF/versions/")));
            assertNull(jar.getManifest().getMainAttributes().getValue("Multi-Release"));
        }
        Assumptions.assumeTrue(Runtime.version().feature() >= 22, "the tool of 17 knows no records");
        StringWriter said = new StringWriter();
        PrintWriter out = new PrintWriter(said);
        int status = ToolProvider.findFirst("jar").orElseThrow().run(out, out, "--validate", "--file", JAR.toString());
        assertEquals(0, status, said.toString());
    }

    /** Reflection over public classes, as many a framework does it, meets no type that this runtime lacks. */
    @Test
    void everyClassCanBeLookedAt() throws Exception {
        try (JarFile jar = new JarFile(JAR.toFile())) {
            for (var entry : (Iterable<JarEntry>) jar.stream()::iterator) {
                String name = entry.getName().replaceFirst("\\.class$", "");
                if (!name.equals(entry.getName()) && !name.matches(FOR_22)) {
                    Class<?> type = Class.forName(name.replace('/', '.'), false, getClass().getClassLoader());
                    assertNotNull(type.getDeclaredMethods());
                    assertNotNull(type.getMethods());
                }
            }
        }
    }

    @Test
    void theModuleHasAName() {
        var module = ModuleFinder.of(JAR).find("io.zcio").orElseThrow().descriptor();
        assertFalse(module.isAutomatic());
        assertEquals(1, module.exports().size());
    }
}
