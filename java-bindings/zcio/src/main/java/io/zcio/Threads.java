package io.zcio;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** What differs between platform threads and virtual ones, which a JDK has from 21 on. */
final class Threads {
    private static final MethodHandle IS_VIRTUAL = find();

    private Threads() {}

    private static MethodHandle find() {
        try {
            return MethodHandles.publicLookup()
                    .findVirtual(Thread.class, "isVirtual", MethodType.methodType(boolean.class));
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    /** Whether this thread is a virtual one, which must not wait inside the native code. */
    static boolean isVirtual() {
        if (IS_VIRTUAL == null) {
            return false;
        }
        try {
            return (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable e) {
            throw new IllegalStateException("Thread.isVirtual does not fail", e);
        }
    }

    /**
     * A thread of zcio's, which knows nothing of who happened to be the first to need it: a class loader that it had inherited
     * could not be collected. None is kept without work for longer than a second, because it keeps the loader of its code.
     */
    static Thread daemon(Runnable work, String name) {
        Thread thread = new Thread(null, work, name, 0, false);
        thread.setDaemon(true);
        thread.setContextClassLoader(null);
        return thread;
    }

    /** Something that may fail as I/O fails. */
    interface Work<T> {
        T run() throws IOException;
    }

    private static final class Platform {
        static final Executor POOL = new ThreadPoolExecutor(
                0, Integer.MAX_VALUE, 1, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> daemon(task, "zcio-carrier"));
    }

    /**
     * Starts a thread.
     *
     * @throws IOException if the system gives none; there may be one the next time
     */
    static void start(Thread thread) throws IOException {
        execute(Runnable::run, thread::start);
    }

    /** The JVM's word for a thread that the system refused is an error of the whole JVM; here it is one of who needs it. */
    static void execute(Executor executor, Runnable work) throws IOException {
        try {
            executor.execute(work);
        } catch (OutOfMemoryError e) {
            throw new IOException("no thread to be had: " + e.getMessage(), e);
        }
    }

    /** Does the work in a platform thread of our own, and says when it is done. */
    static <T> CompletableFuture<T> aside(Work<T> work) throws IOException {
        CompletableFuture<T> future = new CompletableFuture<>();
        execute(Platform.POOL, () -> {
            try {
                future.complete(work.run());
            } catch (Throwable e) {
                future.completeExceptionally(e);
            }
        });
        return future;
    }

    /**
     * Does the work in this thread, or, if it is a virtual one, in a platform thread while this one is parked: for what
     * cannot be done step by step. An interrupt of this thread is told to the watch.
     */
    static <T> T onPlatformThread(Watch watch, Work<T> work) throws IOException {
        if (!isVirtual()) {
            return work.run();
        }
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        FutureTask<T> future = new FutureTask<>(() -> inContext(loader, work));
        execute(Platform.POOL, future);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                    watch.interrupt();
                } catch (ExecutionException e) {
                    throw rethrown(e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** What the work calls back is the caller's. */
    private static <T> T inContext(ClassLoader loader, Work<T> work) throws IOException {
        Thread thread = Thread.currentThread();
        thread.setContextClassLoader(loader);
        try {
            return work.run();
        } finally {
            thread.setContextClassLoader(null);
        }
    }

    private static IOException rethrown(Throwable failure) {
        if (failure instanceof IOException e) {
            return e;
        } else if (failure instanceof RuntimeException e) {
            throw e;
        }
        throw (Error) failure;
    }
}
