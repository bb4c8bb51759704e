package loading;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The program in several class loaders at a time, each with the jars that one argument names. */
final class Versions {
    private Versions() {}

    public static void main(String[] arguments) throws Exception {
        List<ClassLoader> loaders = new ArrayList<>();
        for (String jars : arguments) {
            List<URL> urls = new ArrayList<>();
            for (String jar : jars.split(":")) {
                urls.add(Path.of(jar).toUri().toURL());
            }
            loaders.add(new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader()));
        }
        for (int i = 0; i < 2; i++) {
            for (ClassLoader loader : loaders) {
                System.out.println(loader.loadClass("loading.Program").getMethod("use").invoke(null));
            }
        }
    }
}
