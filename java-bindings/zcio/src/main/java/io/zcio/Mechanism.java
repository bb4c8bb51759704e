package io.zcio;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * One way the kernel can move bytes from one descriptor to another.
 *
 * <p>The {@linkplain #mechanismName() lower-case names} are stable and the same in Rust, Java and Python. A transfer that
 * names a mechanism uses that one and no other; without a name it takes the best one that works between its ends.
 */
public enum Mechanism {
    /** read(2) into a buffer, write(2) out of it. Works between any two ends; the CPU copies every byte twice. */
    READ_WRITE,
    /** mmap(2) of the source file, write(2) out of the mapping. One copy by the CPU instead of two. */
    MMAP_WRITE,
    /** sendfile(2): from the page cache into a socket, a pipe or a file, in one system call. */
    SENDFILE,
    /** splice(2): pages move through a pipe; the only way without a copy that can start at a socket. */
    SPLICE,
    /** copy_file_range(2): file to file; the file system may share blocks or copy on the server's side. */
    COPY_FILE_RANGE,
    /** vmsplice(2): memory that can no longer change goes into a pipe by reference, and on from there by splice(2). */
    VMSPLICE,
    /**
     * send(2) with {@code MSG_ZEROCOPY}: memory or a mapped file to a TCP socket; the kernel says afterwards whether it
     * copied. Refused where the socket's error queue is in use. Buffers go by it in {@link Transfer#run} of a platform
     * thread only: a {@link Stepper} and a virtual thread are away while the kernel still reads them. If such a run is
     * stopped and the peer does not take what it was sent within a second, the connection is reset.
     */
    ZEROCOPY_SEND,
    /** {@code O_DIRECT}: between the disk and aligned buffers, past the page cache, while the other end works on. */
    DIRECT_IO,
    /**
     * ioctl_ficlone(2): file to file on one file system that can (XFS, btrfs); both then own the same blocks until one of
     * them writes.
     */
    REFLINK,
    /** io_uring(7): reads and writes in flight many at a time, to TCP by reference. Never chosen automatically. */
    URING,
    /** getsockopt(2) with {@code TCP_ZEROCOPY_RECEIVE}: into regions made for it, which only Rust has so far. Never chosen automatically. */
    ZEROCOPY_RECEIVE;

    private final String name = name().toLowerCase(Locale.ROOT);

    /**
     * The stable lower-case name, such as {@code "copy_file_range"}.
     *
     * @return the name
     */
    public String mechanismName() {
        return name;
    }

    /**
     * The mechanism of that name.
     *
     * @param name a stable lower-case name
     * @return the mechanism
     * @throws IllegalArgumentException if there is none; the message lists the names
     */
    public static Mechanism of(String name) {
        for (Mechanism mechanism : values()) {
            if (mechanism.name.equals(name)) {
                return mechanism;
            }
        }
        String names = Arrays.stream(values()).map(Mechanism::mechanismName).collect(Collectors.joining(", "));
        throw new IllegalArgumentException("unknown mechanism \"" + name + "\"; the mechanisms are " + names);
    }
}
