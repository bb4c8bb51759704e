package io.zcio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;

/**
 * The addresses of a region, and the buffers over them, before JDK 22: a buffer cannot be told that its region is closed. It shows
 * zeroes then, at addresses that stay claimed while it can be used.
 */
final class AddressPages extends RegionPages {
    /** {@code facts}: see {@link NativeRegion#view}. */
    AddressPages(MappedRegion owner, long[] facts) {
        super(owner, facts);
    }

    @Override
    RegionMemory memory(ByteOrder order, Thread user) {
        return new AddressMemory(this, address, length, readOnly, order, user);
    }

    /** For the region's own copies, which keep this object reachable: of the class of writable buffers in any case. */
    ByteBuffer window(long offset, int length) {
        return NativeRegion.window(address + offset, length);
    }

    @Override
    MappedByteBuffer buffer(long offset, int length) {
        MappedByteBuffer buffer = claims.claimed(NativeRegion.buffer(address + offset, length, readOnly));
        return readOnly && !buffer.isReadOnly() ? (MappedByteBuffer) buffer.asReadOnlyBuffer() : buffer;
    }

    /** One that is still here keeps the claim. */
    @Override
    void leave(long claim) {
        Cleaners.register(this, () -> Regions.Handle.drop(claim));
    }
}
