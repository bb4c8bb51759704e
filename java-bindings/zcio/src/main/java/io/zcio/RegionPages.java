package io.zcio;

import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;

/**
 * The addresses of a region, and the buffers over them.
 *
 * <p>Every buffer claims the addresses until the garbage collector has seen that neither it nor a slice or duplicate of it is
 * reachable. This is all that can be done before JDK 22: such a buffer cannot be told that its region is closed. From 22 on
 * another class of this name stands in the place of this one (META-INF/versions/22), whose buffers can.
 */
final class RegionPages {
    /** The view's handle. */
    private final long view;
    private final long address;
    /** In bytes. */
    final long length;
    final boolean readOnly;

    /** Takes a view over. */
    RegionPages(long view) {
        this.view = view;
        Regions.CLEANER.register(this, () -> NativeRegion.dropView(view));
        long[] addresses = NativeRegion.addresses(view);
        this.address = addresses[0];
        this.length = addresses[1];
        this.readOnly = addresses[2] == 0;
    }

    /** For the region's own loads and stores: always of the class of writable buffers, so that there is but one. */
    ByteBuffer window(long offset, int length) {
        return claimed(NativeRegion.window(address + offset, length));
    }

    /** For others: read-only if the region is. */
    MappedByteBuffer buffer(long offset, int length) {
        MappedByteBuffer buffer = claimed(NativeRegion.buffer(address + offset, length, readOnly));
        return readOnly && !buffer.isReadOnly() ? (MappedByteBuffer) buffer.asReadOnlyBuffer() : buffer;
    }

    /** For a transfer: the addresses stay claimed for as long as the given object is reachable. */
    End end(long offset, long length) {
        return End.ofMemory(this, address + offset, length, moved -> {});
    }

    private <B extends ByteBuffer> B claimed(B buffer) {
        long claim = NativeRegion.cloneView(view);
        Regions.CLEANER.register(buffer, () -> NativeRegion.dropView(claim));
        // Until here it was this object's claim that kept the addresses.
        java.lang.ref.Reference.reachabilityFence(this);
        return buffer;
    }

    /** Ends every access that can be ended, because the region is closed or moves away: here, none. */
    void end() {}
}
