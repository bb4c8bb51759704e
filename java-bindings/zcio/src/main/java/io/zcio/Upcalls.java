package io.zcio;

/**
 * What the native code calls: the one class of ours that it knows, by a weak reference.
 *
 * <p>The types are the JDK's, and so are those of all native methods: a build that moves this package to another name must
 * change nothing that the native code knows.
 */
final class Upcalls {
    private Upcalls() {}

    static Throwable transferException(String message, long moved, int errno, byte[] undelivered, Object[] report) {
        return new TransferException(message, moved, errno, undelivered, Packed.read(report, Reports::report));
    }

    static Throwable regionException(String message, int errno) {
        return new RegionException(message, errno);
    }
}
