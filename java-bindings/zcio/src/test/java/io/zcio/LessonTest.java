package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The article's experiments, made inside this JVM: what they show is so, by this process's own witnesses. */
class LessonTest {
    @TempDir
    Path directory;

    static List<String> topics() {
        return Lesson.topics();
    }

    @ParameterizedTest
    @MethodSource("topics")
    void eachHeadingHasItsExperiment(String topic) throws Exception {
        Lesson lesson = Lesson.of(topic, directory);
        assertEquals(topic, lesson.topic());
        assertFalse(lesson.figures().isEmpty());
        String text = lesson.toString();
        assertTrue(text.startsWith(lesson.title() + "\n\nthe article says  "), text);
        lesson.drawing().lines().forEach(line -> assertTrue(text.contains(line.strip()), line));
        assertTrue(lesson.article().length() > 40 && lesson.differs().length() > 40, text);
        lesson.unseen().forEach(reason -> assertFalse(reason.isBlank(), text));
        assertTrue(areOfTheJdk(lesson.figures()), text);
    }

    private static boolean areOfTheJdk(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream().allMatch(each -> each.getKey() instanceof String && areOfTheJdk(each.getValue()));
        }
        if (value instanceof List<?> list) {
            return list.stream().allMatch(LessonTest::areOfTheJdk);
        }
        return value == null
                || value instanceof String
                || value instanceof Long
                || value instanceof Double
                || value instanceof Boolean;
    }

    @Test
    void theGuideHasAChapterForEach() throws Exception {
        Path guide = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(guide.resolve("docs/guide"))) {
            guide = guide.getParent();
        }
        for (String language : new String[] {"en", "zh"}) {
            for (String topic : topics()) {
                assertTrue(Files.exists(guide.resolve("docs/guide/" + language + "/learn/" + topic + ".md")), topic);
            }
        }
    }

    @Test
    void whatLiesWhereIsThisProcess() throws Exception {
        List<?> places = (List<?>) Lesson.of("layout").figures().get("places");
        List<String> maps = Files.readAllLines(Path.of("/proc/self/maps"));
        int libraries = 0;
        for (Object each : places) {
            Map<?, ?> place = (Map<?, ?>) each;
            String name = (String) place.get("name");
            // A library does not move while it is loaded; the rest comes and goes.
            if (name.contains(".so")) {
                libraries++;
                long address = Long.decode((String) place.get("address"));
                assertTrue(
                        maps.stream().anyMatch(line -> line.endsWith("/" + name) && has(line.split("[- ]"), address)),
                        () -> place + " is not in " + maps);
            }
        }
        assertTrue(libraries > 0, places::toString);
    }

    private static boolean has(String[] range, long address) {
        return Long.parseLong(range[0], 16) <= address && address < Long.parseLong(range[1], 16);
    }

    @Test
    void firstTouchesAreFaultsOfThisProcess() throws Exception {
        long before = minorFaults();
        Map<?, ?> memory = (Map<?, ?>) Lesson.of("page-fault").figures().get("memory");
        long after = minorFaults();
        long first = (Long) ((Map<?, ?>) memory.get("first_touch")).get("minor");
        assertTrue(first > 0 && first <= after - before, () -> memory + " of " + (after - before));
        assertEquals(0L, memory.get("present_before"));
    }

    /** proc_pid_stat(5), the tenth field. */
    private static long minorFaults() throws IOException {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[7]);
    }

    @Test
    void badInput() throws Exception {
        IllegalArgumentException unknown = assertThrows(IllegalArgumentException.class, () -> Lesson.of("teleport"));
        assertTrue(unknown.getMessage().contains("teleport") && unknown.getMessage().contains("page-fault"));
        assertThrows(IllegalArgumentException.class, () -> Lesson.of(null));
        assertThrows(IOException.class, () -> Lesson.of("dma", directory.resolve("none")));
        Path file = Files.createFile(directory.resolve("file"));
        IOException none = assertThrows(IOException.class, () -> Lesson.of("dma", file));
        assertTrue(none.getMessage().contains(file.toString()), none.getMessage());
    }
}
