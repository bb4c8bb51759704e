package io.zcio;

import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.MappedByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.Objects;

/** What the kernel can do with a range of a region: the part of {@link MappedRegion} that makes system calls. */
abstract class RegionOperations extends RegionAccess {
    final Regions.Handle handle;
    /** For what replaces pages and memory. Operations on the pages need no lock: the native code has one. */
    final Object changing = new Object();

    /** For {@link MappedRegion}. */
    RegionOperations(Regions.Handle handle) {
        this.handle = handle;
    }

    /** An operation of the native code on the region's handle. */
    @FunctionalInterface
    interface Operation {
        void on(long region) throws IOException;
    }

    /**
     * How long it is.
     *
     * @return the length in bytes; 0 once closed
     */
    public final long size() {
        long length = memory().length;
        if (length > 0 || !isOpen()) {
            return length;
        }
        // While it is resized, the region is nowhere.
        synchronized (changing) {
            return memory().length;
        }
    }

    /** Runs an operation on a range that has been checked, and keeps the handle while it runs. */
    private void operate(long offset, long size, Operation operation) throws RegionException {
        checkRange(offset, size);
        try {
            operation.on(handle.number);
        } catch (RegionException e) {
            throw e;
        } catch (IOException e) {
            throw new AssertionError("operations on pages have no other exception", e);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Tells the kernel something about a range. Advice that lets pages go concerns the pages that lie wholly in the range, other
     * advice every page that has a byte of it.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @param advice what to tell
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if the kernel refuses it
     */
    public final void advise(long offset, long size, Advice advice) throws RegionException {
        int place = advice.ordinal();
        operate(offset, size, region -> NativeRegion.advise(region, offset, size, place));
    }

    /**
     * Maps every page of a range now, so that no page fault comes later (Linux 5.14).
     *
     * @param offset     where in the region to begin
     * @param size       in bytes
     * @param forWriting whether every page gets its own frame now and is dirty, for stores to come
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if that is not possible
     */
    public final void populate(long offset, long size, boolean forWriting) throws RegionException {
        operate(offset, size, region -> NativeRegion.populate(region, offset, size, forWriting));
    }

    /**
     * Brings every page of a range into memory and waits for it, as {@link MappedByteBuffer#load}.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if that is not possible
     */
    public final void load(long offset, long size) throws RegionException {
        populate(offset, size, false);
    }

    /**
     * Whether every page of a range is in memory, as {@link MappedByteBuffer#isLoaded}.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @return true if they all were a moment ago
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if the kernel does not say
     */
    public final boolean isLoaded(long offset, long size) throws RegionException {
        RegionResidency residency = residency(offset, size);
        return residency.present() == residency.pages();
    }

    /**
     * Which pages of a range are in memory.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @return the answer, a moment ago
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if the kernel does not say
     */
    public final RegionResidency residency(long offset, long size) throws RegionException {
        long[][] answer = new long[1][];
        operate(offset, size, region -> answer[0] = NativeRegion.residency(region, offset, size));
        return RegionResidency.of(answer[0]);
    }

    /**
     * Brings a range into memory and keeps it there, see mlock(2). Locks do not nest.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           beyond {@code RLIMIT_MEMLOCK}
     */
    public final void lock(long offset, long size) throws RegionException {
        operate(offset, size, region -> NativeRegion.lock(region, offset, size, false));
    }

    /**
     * As {@link #lock}, but a page is brought in only when it is first touched, and stays then.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           beyond {@code RLIMIT_MEMLOCK}
     */
    public final void lockOnFault(long offset, long size) throws RegionException {
        operate(offset, size, region -> NativeRegion.lock(region, offset, size, true));
    }

    /**
     * Lets the kernel reclaim a range again.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if the kernel refuses it
     */
    public final void unlock(long offset, long size) throws RegionException {
        operate(offset, size, region -> NativeRegion.unlock(region, offset, size));
    }

    /**
     * Writes the changed pages of a range back to the file and waits for the device, as {@link MappedByteBuffer#force}.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if that failed, now or since the last time: EIO, ENOSPC
     */
    public final void force(long offset, long size) throws RegionException {
        operate(offset, size, region -> NativeRegion.flush(region, offset, size, true));
    }

    /**
     * Starts to write the changed pages of a range back and does not wait. A region of a channel does not keep the file: then
     * the kernel begins in its own time.
     *
     * @param offset where in the region to begin
     * @param size   in bytes
     * @throws IndexOutOfBoundsException if the range does not lie in the region
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           if the kernel refuses it
     */
    public final void forceAsync(long offset, long size) throws RegionException {
        operate(offset, size, region -> NativeRegion.flush(region, offset, size, false));
    }

    /**
     * Copies bytes out of the region by way of the kernel, which notices pages that are gone. Slower than
     * {@link #get(long, byte[], int, int)}, for files that somebody may cut short.
     *
     * @param offset where in the region to begin
     * @param into   where they go
     * @param start  where in the array to begin
     * @param count  how many
     * @throws IndexOutOfBoundsException if one of the ranges does not lie in the region or in the array
     * @throws IllegalStateException     if the region is closed
     * @throws RegionException           EFAULT, if there is no memory behind a page any more
     */
    public final void read(long offset, byte[] into, int start, int count) throws RegionException {
        Objects.checkFromIndexSize(start, count, into.length);
        operate(offset, count, region -> NativeRegion.read(region, offset, into, start, count));
    }

    /**
     * Copies bytes into the region by way of the kernel; see {@link #read}.
     *
     * @param offset where in the region to begin
     * @param from   where they come from
     * @param start  where in the array to begin
     * @param count  how many
     * @throws IndexOutOfBoundsException        if one of the ranges does not lie in the region or in the array
     * @throws ReadOnlyBufferException if the region cannot be written to
     * @throws IllegalStateException            if the region is closed
     * @throws RegionException                  EFAULT, if there is no memory behind a page any more
     */
    public final void write(long offset, byte[] from, int start, int count) throws RegionException {
        Objects.checkFromIndexSize(start, count, from.length);
        if (isReadOnly()) {
            throw new ReadOnlyBufferException();
        }
        operate(offset, count, region -> NativeRegion.write(region, offset, from, start, count));
    }

    /**
     * Fails if the {@linkplain MappedRegion#installGuard guard} had to put zeroes in the place of a page: what was read since may be zeroes,
     * and what was written may be lost.
     *
     * @throws IllegalStateException if the region is closed
     * @throws RegionException       EFAULT, if that has happened; it does not go away
     */
    public final void check() throws RegionException {
        operate(0, 0, NativeRegion::check);
    }
}
