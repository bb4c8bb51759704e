package io.zcio;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A path as the operating system writes it. */
final class PathBytes {
    private PathBytes() {}

    static byte[] of(Path path) {
        String name = path.toString();
        // In every charset of a locale these are the bytes themselves. (A URI asks the file system whether it is a directory.)
        return isAscii(name) ? name.getBytes(StandardCharsets.US_ASCII) : of(path.toUri());
    }

    private static boolean isAscii(String name) {
        for (int i = 0; i < name.length(); i++) {
            if (name.charAt(i) >= 128) {
                return false;
            }
        }
        return true;
    }

    /**
     * A file name is bytes; the URI has all of them, percent-encoded, whereas the string has gone through the charset of the
     * locale, in which a name need not be expressible.
     */
    private static byte[] of(URI uri) {
        String raw = uri.getRawPath();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(raw.length());
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == '%') {
                bytes.write(Integer.parseInt(raw, i + 1, i + 3, 16));
                i += 2;
            } else {
                bytes.write(c);
            }
        }
        return bytes.toByteArray();
    }
}
