package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.Closeable;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process that has no descriptor left the first time it needs one: that fails, and once there is one it works. */
class NoDescriptorTest {
    @TempDir
    Path directory;

    /** Begins without descriptors, in a process of its own. */
    static final class Program {
        private static final List<Closeable> HOG = new ArrayList<>();

        private static void takeAll(int butFor) throws IOException {
            try {
                while (true) {
                    HOG.add(new FileInputStream("/dev/null"));
                }
            } catch (IOException e) {
                for (int i = 0; i < butFor; i++) {
                    HOG.remove(HOG.size() - 1).close();
                }
            }
        }

        private static void giveBack() throws IOException {
            for (Closeable each : HOG) {
                each.close();
            }
            HOG.clear();
        }

        public static void main(String[] arguments) throws Exception {
            Path directory = Path.of(arguments[1]);
            Path source = Files.writeString(directory.resolve("source"), "hello");
            Path sink = directory.resolve("sink");
            if (arguments[0].equals("library")) {
                takeAll(0);
                try {
                    Transfer.from(source).to(sink).run();
                    System.out.println("it worked");
                } catch (UnsatisfiedLinkError e) {
                    giveBack();
                    System.out.println("no library");
                }
                System.out.println(Transfer.from(source).to(sink).run().bytes() + " bytes");
                return;
            }
            // All that a virtual thread and a transfer need.
            Transfer.from(source).to(sink).run();
            Thread warm = Virtual.start(() -> move(source, sink));
            warm.join();
            Pipe pipe = Pipe.open();
            // One for the duplicate of the pipe's end, none for epoll.
            try (FileChannel file = FileChannel.open(sink, StandardOpenOption.WRITE)) {
                takeAll(1);
                Thread without = Virtual.start(() -> move(pipe.source(), file));
                without.join();
                giveBack();
                Thread with = Virtual.start(() -> move(pipe.source(), file));
                while (with.getState() != Thread.State.WAITING) {
                    Thread.sleep(1);
                }
                pipe.sink().write(ByteBuffer.wrap(new byte[7]));
                pipe.sink().close();
                with.join();
            }
        }

        private static void move(Object from, Object to) {
            try {
                System.out.println(EndCalls.transfer(from, to).run().bytes() + " bytes");
            } catch (Throwable e) {
                System.out.println(e.getClass().getName());
            }
        }
    }

    @Test
    void theLibraryIsLoadedTheNextTime() throws Exception {
        assertEquals("no library\n5 bytes\n", run("library"));
    }

    @Test
    void aVirtualThreadWaitsTheNextTime() throws Exception {
        Assumptions.assumeTrue(Virtual.EXIST, "no virtual threads before JDK 21");
        assertEquals("5 bytes\njava.io.IOException\n7 bytes\n", run("poller"));
    }

    private String run(String what) throws Exception {
        return Child.of(Program.class, what, directory.toString())
                .property("io.zcio.native.dir", Files.createDirectory(directory.resolve("native")))
                .descriptors(200)
                .run();
    }
}
