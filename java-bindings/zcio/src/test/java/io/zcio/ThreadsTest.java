package io.zcio;

import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** A system that gives no more threads: what needs one fails as I/O fails, and the next time it works. */
class ThreadsTest {
    @Test
    void aRefusedThreadIsAFailureOfWhoNeedsIt() throws Exception {
        OutOfMemoryError refused = new OutOfMemoryError("unable to create native thread");
        Thread never = new Thread() {
            @Override
            public void start() {
                throw refused;
            }
        };
        assertSame(refused, assertThrowsExactly(IOException.class, () -> Threads.start(never)).getCause());
        Thread thread = Threads.daemon(LockSupport::park, "parked");
        Threads.start(thread);
        assertTrue(thread.isAlive() && thread.isDaemon());
        LockSupport.unpark(thread);
        thread.join();
        // What a pool of threads says that cannot have another.
        Runnable work = () -> {};
        IOException failure = assertThrowsExactly(
                IOException.class,
                () -> Threads.execute(
                        task -> {
                            throw refused;
                        },
                        work));
        assertSame(refused, failure.getCause());
    }
}
