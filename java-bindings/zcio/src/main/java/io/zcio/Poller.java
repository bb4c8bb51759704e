package io.zcio;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Where virtual threads wait for their ends: parked, off their carriers, while one platform thread waits in epoll(7) for all
 * of them. The JDK has such a poller of its own, but it cannot be reached without opening its packages, and not from native
 * code, whose frames would pin the virtual thread.
 *
 * <p>An interrupt unparks a thread by itself. That a channel was closed or a token cancelled is nothing epoll would report:
 * the platform thread looks at every one that waits, every 40 ms while there are any, and not at all while there are none.
 */
final class Poller {
    private static final int LOOK_EVERY = 40;
    /** The shortest nap where epoll cannot be used: for an end it cannot wait for. */
    private static final long NAP = TimeUnit.MILLISECONDS.toNanos(1);

    private static final Map<Long, Waiter> WAITERS = new ConcurrentHashMap<>();
    private static final AtomicLong TOKENS = new AtomicLong();
    /** Both are made for the first thread that waits, and if that fails, for the next. Then they stay. */
    private static Thread thread;
    private static volatile int epoll = -1;

    private static final class Waiter {
        final Thread thread = Thread.currentThread();
        final Watch watch;
        volatile boolean ready;

        Waiter(Watch watch) {
            this.watch = watch;
        }
    }

    private Poller() {}

    /** How many virtual threads wait. */
    static int waiting() {
        return WAITERS.size();
    }

    private static synchronized void start() throws IOException {
        if (thread == null) {
            thread = Threads.start(new Thread(Poller::serve, "zcio-poller"));
        }
        if (epoll < 0) {
            epoll = NativePoller.create();
        }
    }

    private static void serve() {
        long[] tokens = new long[256];
        while (true) {
            while (WAITERS.isEmpty()) {
                LockSupport.park();
            }
            try {
                wake(tokens, NativePoller.await(epoll, LOOK_EVERY, tokens));
            } catch (Throwable e) {
                // No memory, or no descriptor to load a class with: others wait for this thread, which looks again.
                LockSupport.parkNanos(NAP);
            }
        }
    }

    private static void wake(long[] tokens, int count) {
        for (int i = 0; i < count; i++) {
            Waiter waiter = WAITERS.get(tokens[i]);
            if (waiter != null) {
                waiter.ready = true;
                LockSupport.unpark(waiter.thread);
            }
        }
        for (Waiter waiter : WAITERS.values()) {
            if (waiter.watch.isToEnd()) {
                LockSupport.unpark(waiter.thread);
            }
        }
    }

    /**
     * Waits until one of the ends is ready (see {@link NativeRunning#interests}) or the watch says stop.
     *
     * @return whether epoll has called one ready
     * @throws IOException if there is no descriptor or thread left for the poller, which only the first wait needs
     */
    static boolean await(int[] interests, Watch watch, long moved) throws IOException {
        if (epoll < 0) {
            start();
        }
        long token = TOKENS.incrementAndGet();
        Waiter waiter = new Waiter(watch);
        int added = 0;
        try {
            WAITERS.put(token, waiter);
            boolean asleep = interests.length > 0;
            while (asleep && added < interests.length) {
                asleep = add(interests, added, token);
                added += asleep ? 3 : 0;
            }
            LockSupport.unpark(thread);
            if (!asleep) {
                LockSupport.parkNanos(NAP);
                return false;
            }
            while (!waiter.ready && !watch.look(moved)) {
                LockSupport.park(waiter);
            }
            return waiter.ready;
        } finally {
            WAITERS.remove(token);
            for (int i = 0; i < added; i += 3) {
                NativePoller.remove(epoll, interests[i + 1]);
            }
        }
    }

    /** A descriptor that is in the list twice, once for each direction, is added with the events of both. */
    private static boolean add(int[] interests, int at, long token) {
        int events = 0;
        for (int i = 0; i < interests.length; i += 3) {
            if (interests[i + 1] == interests[at + 1]) {
                if (i < at) {
                    return true;
                }
                events |= interests[i + 2];
            }
        }
        return NativePoller.add(epoll, interests[at + 1], events, token);
    }
}
