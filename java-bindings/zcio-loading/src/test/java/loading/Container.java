package loading;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.apache.catalina.Context;
import org.apache.catalina.core.StandardHost;
import org.apache.catalina.startup.Tomcat;

/** An embedded Tomcat that deploys a web application, asks it, and stops it, again and again. It has no zcio itself. */
final class Container {
    private static final int TIMES = 10;

    private Container() {}

    public static void main(String[] arguments) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[0]);
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        StandardHost host = (StandardHost) tomcat.getHost();
        host.setAppBase(arguments[0]);
        host.setAutoDeploy(false);
        tomcat.start();
        for (int i = 0; i < TIMES; i++) {
            WeakReference<ClassLoader> loader = deployed(tomcat, Path.of(arguments[1]));
            awaitGone(loader);
            System.out.println("gone");
        }
        tomcat.stop();
        tomcat.destroy();
        System.out.println("threads " + threads());
    }

    private static WeakReference<ClassLoader> deployed(Tomcat tomcat, Path application) throws Exception {
        Context context = tomcat.addContext("/it", application.toString());
        Tomcat.addServlet(context, "program", "loading.ProgramServlet");
        context.addServletMappingDecoded("/", "program");
        int port = tomcat.getConnector().getLocalPort();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/it/")).build();
        System.out.println(HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body());
        WeakReference<ClassLoader> loader = new WeakReference<>(context.getLoader().getClassLoader());
        tomcat.getHost().removeChild(context);
        return loader;
    }

    private static void awaitGone(WeakReference<?> loader) throws Exception {
        for (int i = 0; loader.get() != null || !threads().isEmpty(); i++) {
            if (i == 500) {
                throw new AssertionError("kept: " + loader.get() + ", threads " + threads());
            }
            System.gc();
            Thread.sleep(20);
        }
    }

    private static Map<String, Integer> threads() throws Exception {
        Map<String, Integer> found = new TreeMap<>();
        try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                try {
                    String name = Files.readString(task.resolve("comm")).strip();
                    if (name.startsWith("zcio")) {
                        found.merge(name, 1, Integer::sum);
                    }
                } catch (IOException e) {
                    // It has ended since it was listed.
                }
            }
        }
        return found;
    }
}
