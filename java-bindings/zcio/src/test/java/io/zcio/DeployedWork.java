package io.zcio;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** What an application does with zcio, in the class loader that it was deployed with: a little of everything. */
public final class DeployedWork {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    private DeployedWork() {}

    /** A loader that has zcio and these classes, and no parent that has them. */
    static URLClassLoader deployment(String name, Path... places) throws IOException {
        URL[] urls = new URL[places.length];
        for (int i = 0; i < places.length; i++) {
            urls[i] = places[i].toUri().toURL();
        }
        return new URLClassLoader(name, urls, ClassLoader.getPlatformClassLoader());
    }

    static URLClassLoader deployment(String name) throws IOException {
        return deployment(name, Child.locationOf(Transfer.class), Child.locationOf(DeployedWork.class));
    }

    /** Calls a method of this class in that loader, which is the thread's context as well. */
    static Object in(ClassLoader loader, String method, Path directory) throws Exception {
        Thread.currentThread().setContextClassLoader(loader);
        try {
            var work = Class.forName(DeployedWork.class.getName(), true, loader).getDeclaredMethod(method, Path.class);
            return work.invoke(null, directory);
        } finally {
            Thread.currentThread().setContextClassLoader(null);
        }
    }

    public static void everything(Path directory) throws Exception {
        Path source = Files.write(directory.resolve("source"), CONTENT);
        Path sink = directory.resolve("sink");
        require(Transfer.from(source).to(sink).progress(moved -> {}).run().bytes());
        require(Copy.of(source, sink).run().bytes());
        for (Mechanism mechanism : Mechanism.values()) {
            try {
                require(Transfer.from(source).to(sink).mechanism(mechanism).run().bytes());
            } catch (IOException | UnsupportedOperationException e) {
                // Not between files, or not here.
            }
        }
        try (FileChannel file = ZeroCopyFileChannel.open(source);
                Ends.Pair pair = Ends.tcp()) {
            require(file.transferTo(0, CONTENT.length, pair.near()));
            require(Transfer.from(pair.far()).to(sink).count(CONTENT.length).run().bytes());
            try (Batch batch = new Batch()) {
                batch.run(List.of(Batch.from(source).to(pair.near())));
            }
            require(FanOut.from(pair.far()).to(sink).count(CONTENT.length).run().bytes());
            Ends.writeAll(pair.near(), new byte[10]);
            refused(() -> Transfer.from(source).to(pair.near()).mechanism(Mechanism.REFLINK).run());
        }
        regions(source);
        steps(source);
        if (Virtual.EXIST) {
            Thread waits = Virtual.start(() -> waits(sink));
            waits.join();
        }
    }

    private static void regions(Path source) throws Exception {
        try (MappedRegion region = MappedRegion.open(source, MapMode.READ_ONLY)) {
            region.get(0);
            region.asByteBuffer(0, 100).get(0);
        }
        // Left to the garbage collector.
        MappedRegion forgotten = MappedRegion.open(source, MapMode.READ_ONLY);
        forgotten.asByteBuffer(0, 100).get(0);
        try (SharedRegion shared = SharedRegion.create(4096)) {
            shared.region().put(0, (byte) 1);
        }
        refused(() -> MappedRegion.open(source.resolveSibling("none"), MapMode.READ_ONLY));
    }

    private static void steps(Path source) throws Exception {
        try (Ends.Pair pair = Ends.tcp();
                Selector selector = Selector.open()) {
            pair.near().configureBlocking(false);
            pair.near().register(selector, SelectionKey.OP_WRITE);
            try (Stepper<Report> stepper = Transfer.from(source).to(pair.near()).start()) {
                var received = Ends.background(() -> Ends.readAll(pair.far()));
                while (!(stepper.step() instanceof Step.Done)) {
                    Thread.onSpinWait();
                }
                pair.near().close();
                require(Ends.result(received).length);
            }
        }
    }

    private static void waits(Path sink) {
        try {
            Pipe pipe = Pipe.open();
            Thread writes = new Thread(() -> {
                try {
                    Thread.sleep(50);
                    pipe.sink().write(ByteBuffer.wrap(new byte[7]));
                    pipe.sink().close();
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            });
            writes.start();
            try (FileChannel file = FileChannel.open(sink, StandardOpenOption.WRITE)) {
                Transfer.from(pipe.source()).to(file).run();
            }
            pipe.source().close();
            writes.join();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private static void refused(Work work) throws Exception {
        try {
            work.run();
            throw new AssertionError("not refused");
        } catch (IOException | UnsupportedOperationException e) {
            // As it should.
        }
    }

    private static void require(long bytes) {
        if (bytes != CONTENT.length) {
            throw new AssertionError(bytes + " bytes");
        }
    }

    private static final List<Object> HELD = new ArrayList<>();

    /** Does not close what it has when it is stopped. */
    public static void leavesOpen(Path directory) throws Exception {
        Path source = Files.write(directory.resolve("source"), CONTENT);
        MappedRegion region = MappedRegion.open(source, MapMode.READ_ONLY);
        HELD.addAll(List.of(region, region.asByteBuffer(0, 100), SharedRegion.create(4096), new Batch()));
        Ends.Pair pair = Ends.tcp();
        pair.near().configureBlocking(false);
        HELD.add(Transfer.from(source).to(pair.near()).start());
        HELD.add(ZeroCopyFileChannel.open(source));
    }

    /** Installs the guard and has it answer a fault. */
    public static void guarded(Path directory) throws Exception {
        MappedRegion.installGuard();
        fault(directory);
    }

    /** Reads where the file has been cut off. */
    public static void fault(Path directory) throws Exception {
        Path file = Files.write(directory.resolve("cut"), new byte[3 * 4096]);
        try (MappedRegion region = MappedRegion.open(file, MapMode.READ_WRITE);
                FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(4096);
            if (region.get(2 * 4096) != 0) {
                throw new AssertionError("what the guard puts there is zeroes");
            }
        }
    }
}
