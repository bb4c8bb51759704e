package io.zcio;

import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;

/**
 * The addresses of a region, and the buffers over them.
 *
 * <p>The region's own loads and stores have the claim that its handle holds. Every buffer that is given out has one of its own,
 * until the garbage collector has seen that neither it nor a slice or duplicate of it is reachable. This is all that can be done
 * before JDK 22: such a buffer cannot be told that its region is closed. From 22 on another class of this name stands in the place
 * of this one (META-INF/versions/22), whose buffers can.
 */
final class RegionPages {
    /** Keeps the claim: who uses the address keeps this object reachable, and with it the region. */
    private final MappedRegion owner;
    final Claims claims;
    final long address;
    /** In bytes. */
    final long length;
    final boolean readOnly;

    /** {@code facts}: see {@link NativeRegion#view}. */
    RegionPages(MappedRegion owner, long[] facts) {
        this.owner = owner;
        this.claims = new Claims(owner, facts[0]);
        this.address = facts[1];
        this.length = facts[2];
        this.readOnly = facts[3] == 0;
    }

    /** For the region's own copies, which keep this object reachable: of the class of writable buffers in any case. */
    ByteBuffer window(long offset, int length) {
        return NativeRegion.window(address + offset, length);
    }

    /** The region's bytes for a thread that has not used them before. */
    RegionMemory shared() {
        return owner.shared();
    }

    /** For others: read-only if the region is. */
    MappedByteBuffer buffer(long offset, int length) {
        MappedByteBuffer buffer = claims.claimed(NativeRegion.buffer(address + offset, length, readOnly));
        return readOnly && !buffer.isReadOnly() ? (MappedByteBuffer) buffer.asReadOnlyBuffer() : buffer;
    }

    /** For a transfer: the addresses stay claimed for as long as the end is reachable. */
    End end(long offset, long length) {
        return End.ofRegion(claims.claimed(new Object()), address + offset, length);
    }

    /** Nothing is given out from now on, because the region is closed or moves away. */
    void end() {
        claims.end();
    }

    /**
     * The region moves away, its handle has given the claim up, and other threads may have used it: one that is still here keeps
     * the claim.
     */
    void leave(long claim) {
        Cleaners.register(this, () -> Regions.drop(claim));
    }
}
