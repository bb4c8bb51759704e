package io.zcio.netty;

import io.netty.util.concurrent.EventExecutor;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Supplier;

/**
 * What may have to wait for a disk or a network (looking at a file, opening and reading it), outside the event loop: a
 * channel's tasks one after the other, so that one which waits keeps one thread and no other channel.
 */
final class Disk {
    private static final Executor THREADS =
            new ThreadPoolExecutor(0, Integer.MAX_VALUE, 10, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> {
                Thread thread = new Thread(task, "zcio-files");
                thread.setDaemon(true);
                return thread;
            });

    /** A channel can be registered with another one. */
    private final Supplier<EventExecutor> loop;
    private CompletableFuture<?> last = CompletableFuture.completedFuture(null);

    Disk(Supplier<EventExecutor> loop) {
        this.loop = loop;
    }

    /**
     * Does the work, and then tells the event loop its result or failure.
     *
     * @param lost what becomes of a result that there is no event loop any more to take
     */
    synchronized <T> void run(Callable<T> work, BiConsumer<T, Throwable> then, BiConsumer<T, Throwable> lost) {
        CompletableFuture<T> task = last.handleAsync((before, failure) -> call(work), THREADS);
        last = task;
        task.whenComplete((result, failure) -> {
            Throwable cause = failure == null || failure.getCause() == null ? failure : failure.getCause();
            try {
                loop.get().execute(() -> inLoop(() -> then.accept(result, cause)));
            } catch (RejectedExecutionException e) {
                lost.accept(result, e);
            }
        });
    }

    /** Runs something in the channel's event loop: at once, if this is it, and not the one that it was registered with before. */
    void inLoop(Runnable then) {
        EventExecutor now = loop.get();
        if (now.inEventLoop()) {
            then.run();
        } else {
            now.execute(() -> inLoop(then));
        }
    }

    private static <T> T call(Callable<T> work) {
        try {
            return work.call();
        } catch (Exception e) {
            throw new CompletionException(e);
        }
    }
}
