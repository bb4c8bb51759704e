package io.zcio;

import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.ReadOnlyBufferException;

/**
 * The addresses of a region, and the buffers over them.
 *
 * <p>The region's own loads and stores have the claim that its handle holds. What is given out has one of its own, until the
 * garbage collector has seen that it is not reachable. See {@link AddressPages}, and {@code SegmentPages} for JDK 22 and newer.
 */
abstract class RegionPages {
    /** Keeps the claim: who uses the address keeps this object reachable, and with it the region. */
    private final MappedRegion owner;
    final Claims claims;
    final long address;
    /** In bytes. */
    final long length;
    final boolean readOnly;
    /** Whether pages of a socket's queue can be put into it, although it is read-only. */
    final boolean receives;

    /** {@code facts}: see {@link NativeRegion#view}. */
    RegionPages(MappedRegion owner, long[] facts) {
        this.owner = owner;
        this.claims = new Claims(owner, facts[0]);
        this.address = facts[1];
        this.length = facts[2];
        this.readOnly = facts[3] != 1;
        this.receives = facts[3] == 2;
    }

    /** For the accesses of one thread; of all threads if that is null. */
    abstract RegionMemory memory(ByteOrder order, Thread user);

    /** The region's bytes for a thread that has not used them before. */
    final RegionMemory shared() {
        return owner.shared();
    }

    /** For others: read-only if the region is. */
    abstract MappedByteBuffer buffer(long offset, int length);

    /** For a transfer: the addresses stay claimed for as long as the end is reachable. */
    final End end(long offset, long length) {
        return End.ofRegion(claims.claimed(new Object()), address + offset, length);
    }

    /** For a transfer that fills it. */
    final End sink(long offset, long length) {
        if (readOnly && !receives) {
            throw new ReadOnlyBufferException();
        }
        return end(offset, length);
    }

    /** Nothing is given out from now on, because the region is closed or moves away. */
    void end() {
        claims.end();
    }

    /** The region moves away, its handle has given the claim up, and other threads may have used it. */
    abstract void leave(long claim);
}
