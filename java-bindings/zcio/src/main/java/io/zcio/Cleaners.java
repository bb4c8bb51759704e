package io.zcio;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.ref.Cleaner;
import java.lang.ref.PhantomReference;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Runs something when an object is unreachable: as a {@link Cleaner} does, but without keeping the class loader.
 *
 * <p>A cleaner's thread keeps the actions, these their classes, and these the loader with all that is static in it; so whoever leaves
 * a region open there would never be collected. Here the actions are kept by this class. The JDK's cleaner is given one and the same
 * action for all, made of nothing but the JDK's classes, which wakes this class if it is still there. If not, the loader has gone
 * with everything that was open in it: the native memory stays, as it must while others may have buffers over it.
 */
final class Cleaners {
    /** How long a reference may come after the cleaner's own to the same object, in ms. */
    private static final long LATE = 100;

    private static final Set<Entry> LIVE = ConcurrentHashMap.newKeySet();
    private static final ReferenceQueue<Object> GONE = new ReferenceQueue<>();
    /** Threads that run an action themselves, at a close. */
    private static final Set<Thread> CLOSING = ConcurrentHashMap.newKeySet();

    /** Kept here alone. */
    private static final Runnable AWAKE = Cleaners::runDue;
    /** Both made when they are needed: where there is no memory or thread for them now, there may be the next time. */
    private static Cleaner cleaner;
    private static Runnable wake;
    /** How many actions were run for which the cleaner has not come yet. Its thread's. */
    private static int ahead;

    private Cleaners() {}

    private static final class Entry extends PhantomReference<Object> implements Cleaner.Cleanable {
        private final Runnable action;
        private Cleaner.Cleanable known;

        Entry(Object owner, Runnable action) {
            super(owner, GONE);
            this.action = action;
        }

        @Override
        public void clean() {
            if (LIVE.remove(this)) {
                clear();
                CLOSING.add(Thread.currentThread());
                known.clean();
                CLOSING.remove(Thread.currentThread());
                action.run();
            }
        }

        private void due() {
            if (LIVE.remove(this)) {
                action.run();
            }
        }
    }

    /** Runs {@code action}, which must not know {@code owner}, when that is unreachable, or at {@link Cleaner.Cleanable#clean}. */
    static Cleaner.Cleanable register(Object owner, Runnable action) {
        Entry entry = new Entry(owner, action);
        entry.known = registered(owner);
        LIVE.add(entry);
        Reference.reachabilityFence(owner);
        return entry;
    }

    private static synchronized Cleaner.Cleanable registered(Object owner) {
        if (cleaner == null) {
            wake = weakly(AWAKE);
            cleaner = Cleaner.create();
        }
        return cleaner.register(owner, wake);
    }

    /** In the cleaner's thread, once for each object that is gone. */
    private static void runDue() {
        if (CLOSING.contains(Thread.currentThread())) {
            return;
        }
        try {
            if (ahead > 0) {
                ahead--;
            } else if (GONE.remove(LATE) instanceof Entry entry) {
                entry.due();
            }
            for (Reference<?> next = GONE.poll(); next != null; next = GONE.poll()) {
                ahead++;
                ((Entry) next).due();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Runs it while somebody else keeps it; of classes of the JDK's alone. */
    private static Runnable weakly(Runnable work) {
        MethodHandles.Lookup lookup = MethodHandles.publicLookup();
        Thread thread = Thread.currentThread();
        ClassLoader context = thread.getContextClassLoader();
        try {
            MethodType ofObject = MethodType.methodType(void.class, Object.class);
            MethodHandle get = lookup.findVirtual(Reference.class, "get", MethodType.methodType(Object.class))
                    .bindTo(new WeakReference<>(work));
            MethodHandle run = lookup.findVirtual(Runnable.class, "run", MethodType.methodType(void.class)).asType(ofObject);
            MethodHandle there = lookup.findStatic(
                    Objects.class, "nonNull", MethodType.methodType(boolean.class, Object.class));
            MethodHandle guarded = MethodHandles.guardWithTest(there, run, MethodHandles.empty(ofObject));
            // On older JDKs the class of what this makes is the context loader's, which may be the one that is not to be kept.
            thread.setContextClassLoader(null);
            return MethodHandleProxies.asInterfaceInstance(Runnable.class, MethodHandles.collectArguments(guarded, 0, get));
        } catch (ReflectiveOperationException e) {
            throw Internals.unexpected(e);
        } finally {
            thread.setContextClassLoader(context);
        }
    }
}
