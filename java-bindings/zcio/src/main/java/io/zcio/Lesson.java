package io.zcio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * An experiment that shows what the article on I/O principles and zero-copy tells, made on this machine: page faults, page
 * tables, the address space, interrupts, DMA, and what each way of sending a file copies. The same as {@code zcio learn TOPIC};
 * the guide has a chapter for each topic.
 *
 * <pre>{@code
 * Lesson lesson = Lesson.of("page-fault");
 * System.out.println(lesson);
 * Map<?, ?> memory = (Map<?, ?>) lesson.figures().get("memory");
 * System.out.println(memory.get("first_touch")); // {minor=1024, major=0}
 * }</pre>
 *
 * <p>A process under way makes faults and system calls of its own: where a figure counts those of this thread, a collection of
 * garbage does not disturb it; where it counts those of the machine, everything does.
 */
public final class Lesson {
    private final String topic;
    private final Object[] found;

    private Lesson(String topic, Object[] found) {
        this.topic = topic;
        this.found = found;
    }

    /**
     * The topics that there are, in the article's order.
     *
     * @return their names, as {@link #of(String)} takes them
     */
    public static List<String> topics() {
        return List.of(NativeLesson.topics());
    }

    /**
     * Makes the experiment of a topic, with files without names in the directory for temporary files. It takes up to some seconds.
     *
     * @param topic one of {@link #topics}
     * @return what was found
     * @throws IllegalArgumentException if there is no such topic
     * @throws IOException              if the experiment could not be made; what merely could not be seen is in {@link #unseen}
     */
    public static Lesson of(String topic) throws IOException {
        return of(topic, null);
    }

    /**
     * The same, with its files in a directory of the caller's: on a disk, for what is about disks.
     *
     * @param topic     one of {@link #topics}
     * @param directory where files are made; null for the directory for temporary files
     * @return what was found
     * @throws IllegalArgumentException if there is no such topic
     * @throws IOException              if the experiment could not be made, or that is no directory
     */
    public static Lesson of(String topic, Path directory) throws IOException {
        List<String> topics = topics();
        if (topic == null || !topics.contains(topic)) {
            throw new IllegalArgumentException("no topic is called " + topic + "; there are " + topics);
        }
        byte[] path = directory == null ? null : PathBytes.of(directory.toAbsolutePath());
        return new Lesson(topic, NativeLesson.learn(topic, path));
    }

    /**
     * What it is about.
     *
     * @return the topic's name
     */
    public String topic() {
        return topic;
    }

    /**
     * The heading.
     *
     * @return a few words
     */
    public String title() {
        return (String) found[0];
    }

    /**
     * What the article says under that heading.
     *
     * @return some sentences
     */
    public String article() {
        return (String) found[1];
    }

    /**
     * What was measured. Sizes are in bytes, addresses and frames are texts in hexadecimal; null is what is not known. The
     * form depends on the topic.
     *
     * @return {@link Map}, {@link List}, {@link String}, {@link Long}, {@link Double} and {@link Boolean}
     */
    @SuppressWarnings("unchecked") // The native code makes no other.
    public Map<String, Object> figures() {
        return (Map<String, Object>) found[2];
    }

    /**
     * The same for people: every number in it is one of the figures.
     *
     * @return some lines
     */
    public String drawing() {
        return (String) found[3];
    }

    /**
     * Why that is not what the article says, or that it is.
     *
     * @return some sentences
     */
    public String differs() {
        return (String) found[4];
    }

    /**
     * What could not be seen here, and why: without root or a disk, for example.
     *
     * @return a reason for each; empty if everything was seen
     */
    public List<String> unseen() {
        return List.of((String[]) found[5]);
    }

    /**
     * All of it, as {@code zcio learn} prints it.
     *
     * @return some lines
     */
    @Override
    public String toString() {
        return (String) found[6];
    }
}
