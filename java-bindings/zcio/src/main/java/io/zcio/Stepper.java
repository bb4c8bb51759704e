package io.zcio;

import java.io.IOException;
import java.lang.ref.Cleaner;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongFunction;

/**
 * A transfer, relay or fan-out that is moved on step by step, for an event loop with a {@link java.nio.channels.Selector}.
 *
 * <pre>{@code
 * try (Stepper<Report> stepper = Transfer.from(file).to(socket).start()) {
 *     for (Step step = stepper.step(); !(step instanceof Step.Done); step = stepper.step()) {
 *         if (step instanceof Step.Blocked blocked) {
 *             for (Step.Interest interest : blocked.interests()) {
 *                 interest.channel().register(selector, interest.operations());
 *             }
 *             selector.select();
 *         }
 *     }
 * }
 * }</pre>
 *
 * <p>The channels must be in non-blocking mode, as for a selector; files always are. A step never waits for a peer. It may be
 * made by any thread, one at a time. After an exception the stepper may be stepped again once the reason is gone (a full
 * disk), and goes on at the byte it had reached; or the bytes that were taken out of a stream and not delivered are had from
 * {@link #undelivered}. {@link #close} frees what the native code holds, drops such bytes, and leaves the channels open. The
 * connection of a socket that is closed before the stepper, and before it is done, ends when the stepper is closed.
 *
 * @param <R> what is reported
 */
public final class Stepper<R> implements AutoCloseable {
    /** Who will wait: a platform thread in poll(2), … */
    static final int IN_POLL = 0;
    /** … a virtual thread, parked, … */
    static final int PARKED = 1;
    /** … or the caller in a selector. */
    static final int IN_SELECTOR = 2;

    private static final Cleaner CLEANER = Cleaner.create();

    private final ReentrantLock lock = new ReentrantLock();
    private final End[] ends;
    private final Watch watch;
    private final LongFunction<R> reporter;
    private final String operation;
    private final Object event = Flight.begin();
    private final Handle handle;
    private final Cleaner.Cleanable cleanable;
    private long moved;
    private boolean recorded;
    /** The report of what is over, for which the native code keeps nothing any more. */
    private R last;

    /** The number, apart from the stepper, so that a forgotten one can be freed. */
    private static final class Handle implements Runnable {
        long number;

        @Override
        public void run() {
            if (number != 0) {
                NativeRunning.free(number);
                number = 0;
            }
        }
    }

    /** Opens the ends in the native code; 0 means: not yet, a FIFO has no reader. */
    interface Opening {
        long open(int waiting) throws IOException;
    }

    private Stepper(String operation, long number, Watch watch, LongFunction<R> reporter, End... ends) {
        this.operation = operation;
        this.ends = ends;
        this.watch = watch;
        this.reporter = reporter;
        handle = new Handle();
        handle.number = number;
        cleanable = CLEANER.register(this, handle);
    }

    /** Opens the ends, waiting for the reader of a FIFO if need be. */
    static <R> Stepper<R> open(
            String operation, Opening opening, int waiting, Watch watch, LongFunction<R> reporter, End... ends)
            throws IOException {
        watch.before();
        for (End end : ends) {
            end.requireConnected();
        }
        while (true) {
            long number;
            try (End.Hold held = End.holdAll(ends)) {
                number = opening.open(waiting);
            }
            if (number != 0) {
                return new Stepper<>(operation, number, watch, reporter, ends);
            }
            waitForReader(watch);
        }
    }

    /** A FIFO can only be tried again until somebody reads it. */
    static void waitForReader(Watch watch) throws IOException {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        if (watch.look(0)) {
            throw watch.after(new TransferException("stopped before the FIFO had a reader", 0, 0, new byte[0]));
        }
    }

    /** For who will wait in a selector: every channel must be one that can be registered. */
    static void requireSelectable(End... ends) {
        for (End end : ends) {
            end.requireSelectable();
        }
    }

    /** The way a thread like this one waits. */
    static int waiting() {
        return Threads.isVirtual() ? PARKED : IN_POLL;
    }

    /**
     * Moves what can be moved now.
     *
     * @return what was done
     * @throws IOException           as the operation's {@code run} says; also when a channel was closed or this thread
     *                               interrupted since the last step
     * @throws IllegalStateException if this stepper is closed
     */
    public Step step() throws IOException {
        lock.lock();
        try {
            if (last != null) {
                return new Step.Done();
            }
            requireOpen();
            watch.before();
            long result = advance();
            if (result == NativeRunning.BLOCKED) {
                watch.look(moved);
                return new Step.Blocked(interests(NativeRunning.interests(handle.number)));
            }
            if (result == NativeRunning.DONE) {
                watch.after(moved);
                record(null);
                last = reporter.apply(handle.number);
                cleanable.clean();
                return new Step.Done();
            }
            watch.look(moved);
            return new Step.Moved(result);
        } catch (TransferException e) {
            throw watch.after(e);
        } finally {
            lock.unlock();
        }
    }

    /** Steps until everything was moved or an end is not ready; gives back how many bytes were. */
    long moveWhatFits() throws IOException {
        Step step = step();
        while (step instanceof Step.Moved) {
            step = step();
        }
        return moved;
    }

    /** One native step, with the thread registered with the file channels. */
    private long advance() throws IOException {
        try (End.Hold held = End.holdAll(ends)) {
            long result = NativeRunning.step(handle.number);
            if (result > 0) {
                moved += result;
                ends[0].advance(result);
            }
            return result;
        }
    }

    /** Runs to the end in this thread; for who was opened with {@link #waiting}. */
    R run() throws IOException {
        lock.lock();
        try {
            if (Threads.isVirtual()) {
                runParked();
            } else {
                try (End.Hold held = End.holdAll(ends)) {
                    NativeRunning.run(handle.number, watch);
                }
            }
            record(null);
            return report();
        } catch (IOException e) {
            record(e);
            throw e;
        } finally {
            lock.unlock();
        }
    }

    private void runParked() throws IOException {
        int inVain = 0;
        while (!watch.look(moved)) {
            long result = advance();
            if (result == NativeRunning.DONE) {
                return;
            }
            boolean ready = result == NativeRunning.BLOCKED
                    && Poller.await(NativeRunning.interests(handle.number), watch, moved);
            inVain = ready ? inVain + 1 : 0;
            if (inVain > 3) {
                // Ready, and then again not: epoll reports what somebody else has left in a socket's error queue, for ever.
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(Math.min(inVain, 16)));
            }
        }
        throw new TransferException("stopped by the caller", moved, 0, new byte[0]);
    }

    /** A failure in Java's terms: NIO's own exception if it failed because it was stopped. */
    IOException failed(TransferException failure) {
        return watch.after(failure);
    }

    /** A failure of a transfer's {@link #run} in Java's terms, with the bytes that were taken and not delivered. */
    IOException failed(IOException failure) throws IOException {
        byte[] undelivered = undelivered();
        TransferException exception;
        if (failure instanceof TransferException e) {
            exception = new TransferException(
                    e.getMessage(), e.moved(), e.errno().orElse(0), undelivered);
            exception.setStackTrace(e.getStackTrace());
        } else if (moved == 0 && undelivered.length == 0 && !(failure instanceof ClosedChannelException)) {
            return failure;
        } else {
            exception = new TransferException(String.valueOf(failure.getMessage()), moved, 0, undelivered);
            exception.initCause(failure);
        }
        return watch.after(exception);
    }

    /** The last word about the bytes delivered. */
    void tellEnd(long bytes) {
        watch.after(bytes);
    }

    private List<Step.Interest> interests(int[] found) {
        Map<SelectableChannel, Integer> operations = new LinkedHashMap<>();
        for (int i = 0; i < found.length; i += 3) {
            SelectableChannel channel = (SelectableChannel) ends[found[i]].given;
            // No events at all stand for the kernel's notification of a zero-copy send, which ends any wait of a selector.
            int operation = found[i + 2] == 4 ? SelectionKey.OP_WRITE : SelectionKey.OP_READ;
            operations.merge(channel, operation, (before, now) -> before | now);
        }
        List<Step.Interest> interests = new ArrayList<>();
        operations.forEach((channel, operation) -> interests.add(new Step.Interest(channel, operation)));
        return List.copyOf(interests);
    }

    /**
     * What has happened so far.
     *
     * @return the report; null before the first step has begun to move
     * @throws IllegalStateException if this stepper is closed
     */
    public R report() {
        lock.lock();
        try {
            if (last != null) {
                return last;
            }
            requireOpen();
            return reporter.apply(handle.number);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Bytes that were taken out of a stream and not delivered: hands them over and forgets them. Empty for files, which still
     * have theirs. They follow the bytes that were delivered.
     *
     * @return the bytes
     * @throws IOException           if the pipe they are in cannot be read
     * @throws IllegalStateException if this stepper is closed
     */
    public byte[] undelivered() throws IOException {
        return undelivered(0);
    }

    /**
     * As {@link #undelivered()}, of one part of the operation.
     *
     * @param part of a relay 0 for what was to go to the second socket, 1 for what was to go to the first; of a fan-out the
     *             sink, from 0, which counts as dropped after that
     * @return the bytes
     * @throws IOException               if the pipe they are in cannot be read
     * @throws IndexOutOfBoundsException if there is no such part
     * @throws IllegalStateException     if this stepper is closed
     */
    public byte[] undelivered(int part) throws IOException {
        lock.lock();
        try {
            Objects.checkIndex(part, operation.equals("relay") ? 2 : ends.length - 1);
            if (last != null) {
                return new byte[0];
            }
            requireOpen();
            // The position of a source file is put right on the way, which must not happen to whatever has its number now.
            try (End.Hold held = ends[0].hold()) {
                return NativeRunning.undelivered(handle.number, part);
            } catch (ClosedChannelException e) {
                // A file still has its bytes.
                return new byte[0];
            }
        } finally {
            lock.unlock();
        }
    }

    private void record(IOException failure) {
        if (!recorded) {
            recorded = true;
            Flight.end(event, operation, handle.number == 0 ? null : reporter.apply(handle.number), failure);
        }
    }

    private void requireOpen() {
        if (handle.number == 0) {
            throw new IllegalStateException("this stepper is closed");
        }
    }

    /** Frees what the native code holds. The channels stay open. Waits for a step that another thread is making. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (handle.number != 0) {
                record(null);
            }
            cleanable.clean();
        } finally {
            lock.unlock();
        }
    }
}
