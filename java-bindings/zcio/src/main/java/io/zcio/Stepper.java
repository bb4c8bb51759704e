package io.zcio;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongFunction;

/**
 * A transfer, relay or fan-out that is moved on step by step, for an event loop with a {@link java.nio.channels.Selector}.
 *
 * <pre>{@code
 * try (Stepper<Report> stepper = Transfer.from(file).to(socket).start()) {
 *     Step step = stepper.step();
 *     for (; !(step instanceof Step.Done); step = stepper.step()) {
 *         if (step instanceof Step.Blocked) {
 *             stepper.register(selector, step);
 *             selector.select();
 *             selector.selectedKeys().clear();
 *         }
 *     }
 *     stepper.register(selector, step);
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

    private final ReentrantLock lock = new ReentrantLock();
    private final End[] ends;
    private final Watch watch;
    private final LongFunction<R> reporter;
    private final String operation;
    private final Object event;
    /** Whether the last step was blocked, for who counts those that wait. */
    private final AtomicBoolean blocked = new AtomicBoolean();
    private final NativeHandle handle;
    /** Whether a step is being made: its listener is not to make another. */
    private boolean stepping;
    private long moved;
    private boolean recorded;
    /** The report of what is over, for which the native code keeps nothing any more. */
    private R last;

    /** Opens the ends in the native code; 0 means: not yet, a FIFO has no reader. */
    interface Opening {
        long open(int waiting) throws IOException;
    }

    /** {@code kept} keeps the ends' memory for as long as the native code has it. */
    private Stepper(
            String operation, long number, End.Hold kept, Watch watch, LongFunction<R> reporter, End... ends) {
        this.operation = operation;
        this.ends = ends;
        this.watch = watch;
        this.reporter = reporter;
        Object sinks = ends.length == 2 ? ends[1] : Arrays.copyOfRange(ends, 1, ends.length);
        this.event = Flight.begin(operation, ends[0], sinks);
        AtomicBoolean waits = blocked;
        handle = new NativeHandle(this, "stepper", number, freed -> {
            NativeRunning.free(freed);
            kept.close();
            blocked(waits, false);
        });
    }

    private static void blocked(AtomicBoolean blocked, boolean now) {
        if (blocked.getAndSet(now) != now) {
            Statistics.blocked(now ? 1 : -1);
        }
    }

    /** Opens the ends, waiting for the reader of a FIFO if need be. */
    static <R> Stepper<R> open(
            String operation, Opening opening, int waiting, Watch watch, LongFunction<R> reporter, End... ends)
            throws IOException {
        watch.begin();
        End.Hold kept = End.keepAll(ends);
        long number = 0;
        try {
            while (number == 0) {
                try (End.Hold held = End.holdAll(ends)) {
                    number = opening.open(waiting);
                }
                if (number == 0) {
                    waitForReader(watch);
                }
            }
        } finally {
            if (number == 0) {
                kept.close();
            }
        }
        return new Stepper<>(operation, number, kept, watch, reporter, ends);
    }

    /** A FIFO can only be tried again until somebody reads it. */
    static void waitForReader(Watch watch) throws IOException {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        if (watch.mustStop()) {
            throw watch.after(new TransferException("stopped before the FIFO had a reader", 0, 0, new byte[0], null));
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
     * Has a selector look for what a step is blocked at, and for nothing else on this stepper's channels: one that stays ready
     * and is not waited for would have every select return at once. Attachments of keys stay. A channel that something else
     * waits for with the same selector needs the interest of both, from {@link Step.Blocked#interests}.
     *
     * @param selector where the channels are registered, or will be
     * @param step     the last step; after one that is not blocked nothing is looked for
     * @throws ClosedChannelException if a channel to be registered is closed
     * @throws CancelledKeyException  if somebody has cancelled its key, and the selector has not selected since
     */
    public void register(Selector selector, Step step) throws ClosedChannelException {
        Interests.register(selector, step, ends);
    }

    /**
     * Moves what can be moved now.
     *
     * @return what was done
     * @throws IOException           as the operation's {@code run} says; also when a channel was closed or this thread
     *                               interrupted since the last step, with a {@link TransferException} as its cause that
     *                               counts what was moved before
     * @throws IllegalStateException if this stepper is closed, or this is called by its own listener
     */
    public Step step() throws IOException {
        lock.lock();
        try {
            return last != null ? new Step.Done() : handle.use(number -> exclusively(() -> step(number)));
        } catch (TransferException e) {
            throw watch.after(e);
        } finally {
            lock.unlock();
        }
    }

    private Step step(long number) throws IOException {
        watch.before(() -> soFar(number));
        long result;
        try {
            result = advance(number);
        } catch (ClosedChannelException e) {
            throw Watch.withCause(e, soFar(number));
        }
        if (result == NativeRunning.DONE) {
            last = reporter.apply(number);
            record(last, null);
            handle.close();
            tell(number, true);
            return new Step.Done();
        }
        blocked(blocked, result == NativeRunning.BLOCKED);
        // What there is to know is asked first: the listener may close channels, and this stepper, too.
        Step step = result == NativeRunning.BLOCKED
                ? new Step.Blocked(Interests.of(NativeRunning.interests(number), ends))
                : new Step.Moved(result);
        tell(number, false);
        return step;
    }

    private void tell(long number, boolean last) throws TransferException {
        if (!watch.tell(moved, last)) {
            throw stopped(number);
        }
    }

    /** What a stop says that comes before a step; null if nothing has been moved. */
    private TransferException soFar(long number) {
        return moved == 0 ? null : stopped(number);
    }

    /** One step, or run, at a time: not one more from the listener of this one. */
    private <T> T exclusively(Threads.Work<T> work) throws IOException {
        if (stepping) {
            throw new IllegalStateException("this stepper is making a step, whose listener cannot make another");
        }
        stepping = true;
        try {
            return work.run();
        } finally {
            stepping = false;
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

    /** One native step, with the ends held. */
    private long advance(long number) throws IOException {
        try (End.Hold held = End.holdAll(ends)) {
            return NativeRunning.step(number);
        } finally {
            count(number);
        }
    }

    /** After each native call, however it has ended. */
    private void count(long number) {
        long bytes = NativeRunning.moved(number);
        Arrays.asList(ends).forEach(end -> end.advance(bytes - moved));
        moved = bytes;
    }

    /** Runs to the end in this thread; for who was opened with {@link #waiting}. */
    R run() throws IOException {
        lock.lock();
        try {
            return handle.use(number -> exclusively(() -> run(number)));
        } finally {
            lock.unlock();
        }
    }

    private R run(long number) throws IOException {
        IOException failure = null;
        try {
            if (Threads.isVirtual()) {
                runParked(number);
            } else {
                runInPoll(number);
            }
            tell(number, true);
        } catch (IOException e) {
            failure = e;
        }
        R report = reporter.apply(number);
        record(report, failure);
        if (failure != null) {
            throw failure;
        }
        return report;
    }

    /** Leaves the native code whenever the listener is to be told. */
    private void runInPoll(long number) throws IOException {
        while (!watch.mustStop()) {
            try (End.Hold held = End.holdAll(ends)) {
                if (NativeRunning.run(number, watch) == NativeRunning.DONE) {
                    return;
                }
            } finally {
                count(number);
            }
            tell(number, false);
        }
        throw stopped(number);
    }

    private void runParked(long number) throws IOException {
        int inVain = 0;
        while (!watch.mustStop()) {
            long result = advance(number);
            if (result == NativeRunning.DONE) {
                return;
            }
            boolean ready = result == NativeRunning.BLOCKED
                    && Poller.await(NativeRunning.interests(number), watch, moved);
            inVain = ready ? inVain + 1 : 0;
            if (inVain > 3) {
                // Ready, and then again not: epoll reports what somebody else has left in a socket's error queue, for ever.
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(Math.min(inVain, 16)));
            }
            tell(number, false);
        }
        throw stopped(number);
    }

    private TransferException stopped(long number) {
        return new TransferException(
                "stopped by the caller", moved, 0, new byte[0], ofTransfer(last != null ? last : reporter.apply(number)));
    }

    /** The report if it is one of a transfer; null otherwise. */
    private static Report ofTransfer(Object report) {
        return report instanceof Report r ? r : null;
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
                    e.getMessage(), e.moved(), e.errno().orElse(0), undelivered, e.report().orElse(null));
            exception.setStackTrace(e.getStackTrace());
        } else if (moved == 0 && undelivered.length == 0 && !(failure instanceof ClosedChannelException)) {
            return failure;
        } else {
            exception = new TransferException(String.valueOf(failure.getMessage()), moved, 0, undelivered, ofTransfer(report().orElse(null)));
            exception.initCause(failure);
        }
        return watch.after(exception);
    }

    /**
     * What has happened so far.
     *
     * @return the report; empty before the first step has begun to move
     * @throws IllegalStateException if this stepper is closed
     */
    public Optional<R> report() {
        lock.lock();
        try {
            return Optional.ofNullable(last != null ? last : handle.use(reporter::apply));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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
            return handle.use(number -> undelivered(number, part));
        } finally {
            lock.unlock();
        }
    }

    private byte[] undelivered(long number, int part) throws IOException {
        // The position of a source file is put right on the way, which must not happen to whatever has its number now.
        try (End.Hold held = ends[0].hold()) {
            return NativeRunning.undelivered(number, part);
        } catch (ClosedChannelException e) {
            // A file still has its bytes.
            return new byte[0];
        }
    }

    private void record(R report, IOException failure) {
        if (!recorded) {
            recorded = true;
            Flight.end(event, report, failure);
        }
    }

    /**
     * Frees what the native code holds. The channels stay open. Waits for a step that another thread is making; from the
     * listener of a step it takes effect when that step is over.
     */
    @Override
    public void close() {
        lock.lock();
        try {
            if (!handle.isClosed()) {
                record(report().orElse(null), null);
            }
            handle.close();
        } finally {
            lock.unlock();
        }
    }
}
