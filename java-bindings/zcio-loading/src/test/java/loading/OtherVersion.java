package loading;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;

/** Another version of zcio: this one, which calls itself by another number. */
final class OtherVersion {
    private static final String OURS = System.getProperty("zcio.version");
    /** As long. */
    static final String NAME = OURS.replaceAll("\\d", "9");

    private OtherVersion() {}

    /** Of the library. */
    static Path of(Path library, Path into) throws IOException {
        return Files.write(into, renamed(Files.readAllBytes(library)));
    }

    /** Of the whole jar. */
    static Path ofJar(Path zcio, Path into) throws IOException {
        try (JarFile jar = new JarFile(zcio.toFile());
                OutputStream file = Files.newOutputStream(into);
                JarOutputStream out = new JarOutputStream(file)) {
            for (JarEntry entry : (Iterable<JarEntry>) jar.stream()::iterator) {
                out.putNextEntry(new JarEntry(entry.getName()));
                try (InputStream in = jar.getInputStream(entry)) {
                    byte[] content = in.readAllBytes();
                    out.write(entry.getName().endsWith(".class") ? content : renamed(content));
                }
            }
        }
        return into;
    }

    private static byte[] renamed(byte[] content) {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        return text.replace(OURS, NAME).getBytes(StandardCharsets.ISO_8859_1);
    }
}
