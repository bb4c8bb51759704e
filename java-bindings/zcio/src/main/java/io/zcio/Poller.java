package io.zcio;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Where virtual threads wait for their ends: parked, off their carriers, while one platform thread waits in epoll(7) for all
 * of them. The JDK has such a poller of its own, but it cannot be reached without opening its packages, and not from native
 * code, whose frames would pin the virtual thread.
 *
 * <p>An interrupt unparks a thread by itself. That a channel was closed or a token cancelled is nothing epoll would report:
 * the platform thread looks at every one that waits, every 40 ms while there are any.
 *
 * <p>A second after the last one the thread ends, because a thread keeps the class loader of its code, and with it a web application
 * that was stopped. The next one that waits begins another.
 */
final class Poller implements Runnable {
    private static final int LOOK_EVERY = 40;
    /** The shortest nap where epoll cannot be used: for an end it cannot wait for. */
    private static final long NAP = TimeUnit.MILLISECONDS.toNanos(1);
    /** How long a thread without work stays. */
    private static final long IDLE = TimeUnit.SECONDS.toNanos(1);

    private static final AtomicLong TOKENS = new AtomicLong();
    /** Null before the first one; may have ended. */
    private static volatile Poller current;

    private final int epoll;
    private final Thread thread = Threads.daemon(this, "zcio-poller");
    private final Map<Long, Waiter> waiters = new ConcurrentHashMap<>();
    /** How many wait here or are about to; negative once it has ended. */
    private final AtomicInteger users = new AtomicInteger(1);

    private static final class Waiter {
        final Thread thread = Thread.currentThread();
        final Watch watch;
        volatile boolean ready;

        Waiter(Watch watch) {
            this.watch = watch;
        }
    }

    /** How many virtual threads wait. */
    static int waiting() {
        Poller known = current;
        return known == null ? 0 : known.waiters.size();
    }

    private Poller() throws IOException {
        epoll = NativePoller.create();
        try {
            Threads.start(thread);
        } catch (Throwable e) {
            NativePoller.close(epoll);
            throw e;
        }
    }

    /** Has it stay until {@link #leave}; false if it has ended. */
    private boolean enter() {
        return users.getAndUpdate(count -> count < 0 ? count : count + 1) >= 0;
    }

    private void leave() {
        users.decrementAndGet();
    }

    /** One that has been entered. What fails the first time may work the next. */
    private static Poller entered() throws IOException {
        Poller known = current;
        return known != null && known.enter() ? known : begin();
    }

    private static synchronized Poller begin() throws IOException {
        Poller known = current;
        if (known == null || !known.enter()) {
            known = new Poller();
            current = known;
        }
        return known;
    }

    /** The thread's work. */
    @Override
    public void run() {
        long[] tokens = new long[256];
        long idleSince = System.nanoTime();
        while (true) {
            if (!waiters.isEmpty()) {
                idleSince = System.nanoTime();
                try {
                    wake(tokens, NativePoller.waitFor(epoll, LOOK_EVERY, tokens));
                } catch (Throwable e) {
                    // No memory, or no descriptor to load a class with: others wait for this thread, which looks again.
                    LockSupport.parkNanos(NAP);
                }
            } else if (System.nanoTime() - idleSince < IDLE) {
                LockSupport.parkNanos(IDLE);
            } else if (users.compareAndSet(0, -1)) {
                NativePoller.close(epoll);
                return;
            } else {
                idleSince = System.nanoTime();
            }
        }
    }

    private void wake(long[] tokens, int count) {
        for (int i = 0; i < count; i++) {
            Waiter waiter = waiters.get(tokens[i]);
            if (waiter != null) {
                waiter.ready = true;
                LockSupport.unpark(waiter.thread);
            }
        }
        for (Waiter waiter : waiters.values()) {
            if (waiter.watch.isToEnd()) {
                LockSupport.unpark(waiter.thread);
            }
        }
    }

    /**
     * Waits until one of the ends is ready (see {@link NativeRunning#interests}) or the watch says stop.
     *
     * @return whether epoll has called one ready
     * @throws IOException if there is no descriptor or thread left for the poller, which a wait needs if there was none for a while
     */
    static boolean await(int[] interests, Watch watch, long moved) throws IOException {
        Poller poller = entered();
        try {
            return poller.waitHere(interests, watch, moved);
        } finally {
            poller.leave();
        }
    }

    private boolean waitHere(int[] interests, Watch watch, long moved) throws IOException {
        long token = TOKENS.incrementAndGet();
        Waiter waiter = new Waiter(watch);
        int added = 0;
        try {
            waiters.put(token, waiter);
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
            waiters.remove(token);
            for (int i = 0; i < added; i += 3) {
                NativePoller.remove(epoll, interests[i + 1]);
            }
        }
    }

    /** A descriptor that is in the list twice, once for each direction, is added with the events of both. */
    private boolean add(int[] interests, int at, long token) {
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
