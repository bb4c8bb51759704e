import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A job of the lanes' protocol, which src/protocol.rs describes, and the clock that starts at {@code go}. */
final class Job {

    private static final BufferedReader REQUESTS =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private static final PrintStream ANSWERS = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    final String route;
    private final Map<String, String> fields = new HashMap<>();

    private Job(String line) {
        for (String field : line.split("\t")) {
            String[] parts = field.split("=", 2);
            fields.put(parts[0], parts.length == 2 ? parts[1] : "");
        }
        route = fields.get("route");
    }

    /**
     * What was moved.
     *
     * @param bytes how many
     * @param mechanism zcio's name of the way, or null
     * @param digest what was seen, where only the lane looks, or null
     */
    record Moved(long bytes, String mechanism, Long digest) {
        Moved(long bytes) {
            this(bytes, null, null);
        }
    }

    /** The timed part of a job. */
    interface Work {
        Moved run() throws Exception;
    }

    /** What serves a job, untimed parts included. */
    interface Lane {
        void serve(Job job) throws Exception;
    }

    /** Greets, and serves until the requests end. Whatever goes wrong ends the lane with a message. */
    static void serve(String runtime, Lane lane) {
        try {
            ANSWERS.println("hello\truntime=" + runtime);
            for (String line = REQUESTS.readLine(); line != null; line = REQUESTS.readLine()) {
                lane.serve(new Job(line));
            }
        } catch (Exception | LinkageError error) {
            ANSWERS.println("failed\tmessage=" + error.toString().replaceAll("\\s+", " "));
        }
    }

    /** This virtual machine, as the lanes' protocol wants it. */
    static String runtime() {
        return System.getProperty("java.vm.name") + " " + Runtime.version();
    }

    /** Says that everything is open, waits for go, and reports what the work moved and how long it took. */
    void timed(Work work) throws Exception {
        ANSWERS.println("ready");
        if (REQUESTS.readLine() == null) {
            throw new IOException("the requests ended before go");
        }
        long start = System.nanoTime();
        Moved moved = work.run();
        long wall = System.nanoTime() - start;
        String mechanism = moved.mechanism() == null ? "" : "\tmechanism=" + moved.mechanism();
        String digest = moved.digest() == null ? "" : "\tdigest=" + Long.toUnsignedString(moved.digest());
        ANSWERS.println("done\tbytes=" + moved.bytes() + "\twall_ns=" + wall + mechanism + digest);
    }

    String text(String name) {
        return fields.get(name);
    }

    Path path(String name) {
        return Path.of(fields.get(name));
    }

    /** A number; 1 if the job does not say. */
    long number(String name) {
        return Long.parseLong(fields.getOrDefault(name, "1"));
    }

    InetSocketAddress address(String name) {
        String text = fields.get(name);
        int colon = text.lastIndexOf(':');
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    /** The receiver closes after the last byte, and sends nothing. */
    static void expectEnd(int read) throws IOException {
        if (read >= 0) {
            throw new IOException("the receiver sent something");
        }
    }
}
