package io.zcio;

import java.io.IOException;
import java.lang.ref.Reference;
import java.net.StandardProtocolFamily;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.util.EnumSet;
import java.util.Set;

/**
 * Memory that several processes share: a {@link MappedRegion} without a file, without a name, that is handed over through a
 * UNIX-domain socket, in Java, Rust or Python, in microseconds whatever its size.
 *
 * <pre>{@code
 * try (SharedRegion shared = SharedRegion.create(1L << 30)) {
 *     shared.region().putLong(0, 42);
 *     shared.seal(Seal.SHRINK);
 *     shared.send(socketChannel, Peer.sameUser());
 * }
 * }</pre>
 *
 * <p>All of it is allocated when it is made, and it is gone with its last holder. A receiver takes only memory that is
 * {@linkplain Seal sealed} against shrinking. Sharing is symmetric: nothing tells the others when bytes were changed.
 */
public final class SharedRegion implements AutoCloseable {
    private final MappedRegion region;

    /**
     * Loads and links all that a hand-over needs, by one to itself that fails. {@link Peer} does it: whoever has a peer to name is
     * ready, and the first message is not kept waiting for the library and the classes to be loaded.
     */
    static void prepare() {
        byte[] bytes = new byte[1];
        try (SocketChannel nowhere = SocketChannel.open(StandardProtocolFamily.UNIX);
                SharedRegion shared = create(1)) {
            shared.region().get(0, bytes, 0, 1);
            shared.region().put(0, shared.region().get(0));
            End.of(nowhere).isOpen();
            NativeShared.receive(nowhere, 0, 0, bits(Seal.SHRINK), new long[MappedRegion.FACTS]);
        } catch (IOException | RuntimeException | UnsatisfiedLinkError e) {
            // As it should; and what else is wrong, the operation that is meant will say.
        }
    }

    private SharedRegion(MappedRegion region) {
        this.region = region;
    }

    /**
     * Makes shared memory of zeroes, not sealed yet.
     *
     * @param size in bytes
     * @return the memory, readable and writable
     * @throws IllegalArgumentException if it is negative
     * @throws RegionException          ENOSPC (28), if the system has less than that to give
     * @throws IOException              if it cannot be mapped
     */
    public static SharedRegion create(long size) throws IOException {
        if (size < 0) {
            throw new IllegalArgumentException("size is negative: " + size);
        }
        return new SharedRegion(
                MappedRegion.make(size + " bytes of shared memory", new long[MappedRegion.FACTS], facts -> NativeShared.create(size, facts)));
    }

    /**
     * Takes shared memory that the peer {@linkplain #send sends}, and waits for it. It is writable if its seals allow that.
     *
     * <p>An interrupt closes the channel, as with NIO's own operations. A channel in non-blocking mode is waited for as well.
     *
     * @param channel a connected channel of the UNIX domain, from which nobody else reads meanwhile
     * @param peer    who may send it
     * @param seals   what it must be sealed against, besides {@link Seal#SHRINK}
     * @return the memory
     * @throws ClosedChannelException     if the channel is closed
     * @throws AsynchronousCloseException               if another thread closes the channel
     * @throws ClosedByInterruptException               if this thread is interrupted
     * @throws RegionException                          if it is another peer, if seals are missing, if something else was sent,
     *                                                  or if the peer has gone
     * @throws IOException                              if it cannot be mapped
     */
    public static SharedRegion receive(SocketChannel channel, Peer peer, Seal... seals) throws IOException {
        requireConnected(channel);
        int demanded = bits(seals);
        long[] facts = new long[MappedRegion.FACTS];
        long received;
        boolean waited = false;
        do {
            requireWanted(channel, waited);
            waited = true;
            received = NativeShared.receive(channel, peer.kind.ordinal(), peer.number, demanded, facts);
        } while (received == 0);
        return new SharedRegion(new MappedRegion(received, facts, "shared memory received"));
    }

    /**
     * Hands the memory over to the peer, which has it together with this process from then on.
     *
     * <p>An interrupt closes the channel, as with NIO's own operations. A channel in non-blocking mode is waited for as well.
     *
     * @param channel a connected channel of the UNIX domain
     * @param peer    who may have it
     * @throws IllegalArgumentException                 if it is not {@linkplain #seal sealed} against shrinking
     * @throws IllegalStateException                    if the region is closed
     * @throws ClosedChannelException     if the channel is closed
     * @throws AsynchronousCloseException               if another thread closes the channel
     * @throws ClosedByInterruptException               if this thread is interrupted
     * @throws RegionException                          if it is another peer, or has gone
     * @throws IOException                              if there is no descriptor left for it
     */
    public void send(SocketChannel channel, Peer peer) throws IOException {
        requireConnected(channel);
        boolean sent;
        boolean waited = false;
        do {
            requireWanted(channel, waited);
            waited = true;
            region.requireOpen();
            sent = NativeShared.send(region.handle.number, channel, peer.kind.ordinal(), peer.number);
            Reference.reachabilityFence(region);
        } while (!sent);
    }

    private static void requireConnected(SocketChannel channel) throws ClosedChannelException {
        End end = End.of(channel);
        if (!end.isOpen()) {
            throw new ClosedChannelException();
        }
        end.requireConnected();
    }

    /** Whether to go on waiting for the peer: asked before each native call, which waits for a tenth of a second. */
    private static void requireWanted(SocketChannel channel, boolean waited) throws IOException {
        if (Thread.currentThread().isInterrupted()) {
            channel.close();
            throw new ClosedByInterruptException();
        }
        if (waited && !channel.isOpen()) {
            throw new AsynchronousCloseException();
        }
    }

    /**
     * Its bytes, and everything that can be done with a mapping. Closed together with this object.
     *
     * @return always the same region
     */
    public MappedRegion region() {
        return region;
    }

    /**
     * Ordered and atomic access to it, by which its holders agree.
     *
     * @return a view, which can be kept
     */
    public RegionAtomics atomics() {
        return new RegionAtomics(region);
    }

    /**
     * Adds seals, for all who have it. {@link Seal#WRITE} makes the region itself read-only, and ends its buffers, as
     * {@link MappedRegion#resize} does.
     *
     * @param seals what to seal it against
     * @throws IllegalStateException if the region is closed
     * @throws RegionException       EBUSY (16), if somebody else has it mapped for writing; EPERM (1), once it is sealed with
     *                               {@link Seal#SEAL}
     * @throws IOException           as {@link MappedRegion#resize}
     */
    public void seal(Seal... seals) throws IOException {
        int bits = bits(seals);
        if ((bits & 1 << Seal.WRITE.ordinal()) != 0) {
            region.moving(handle -> NativeShared.seal(handle, bits));
        } else {
            region.ask(handle -> NativeShared.seal(handle, bits));
        }
    }

    /**
     * The seals it has.
     *
     * @return a new set
     * @throws IllegalStateException if the region is closed
     * @throws IOException           if the kernel does not say
     */
    public Set<Seal> seals() throws IOException {
        Set<Seal> seals = EnumSet.noneOf(Seal.class);
        region.ask(handle -> {
            int bits = NativeShared.seals(handle);
            for (Seal seal : Seal.values()) {
                if ((bits & 1 << seal.ordinal()) != 0) {
                    seals.add(seal);
                }
            }
        });
        return seals;
    }

    /**
     * Makes it longer, with memory behind every new byte, and ends its buffers, as {@link MappedRegion#resize} does. Other holders
     * see the new part after {@link #refresh}.
     *
     * @param size in bytes
     * @throws IllegalArgumentException if it is less than before
     * @throws IllegalStateException    if the region is closed
     * @throws RegionException          EPERM (1), if it is sealed against growing; ENOSPC (28), if there is not as much
     * @throws IOException              as {@link MappedRegion#resize}
     */
    public void grow(long size) throws IOException {
        region.moving(handle -> NativeShared.grow(handle, size));
    }

    /**
     * Maps what another holder has added since, and ends the buffers, as {@link MappedRegion#resize} does.
     *
     * @throws IllegalStateException if the region is closed
     * @throws IOException           as {@link MappedRegion#resize}
     */
    public void refresh() throws IOException {
        region.moving(NativeShared::refresh);
    }

    /** {@link MappedRegion#close}; other holders keep theirs. */
    @Override
    public void close() {
        region.close();
    }

    /**
     * {@link MappedRegion#tryClose}; other holders keep theirs.
     *
     * @return whether it is closed now
     */
    public boolean tryClose() {
        return region.tryClose();
    }

    private static int bits(Seal... seals) {
        int bits = 0;
        for (Seal seal : seals) {
            bits |= 1 << seal.ordinal();
        }
        return bits;
    }
}
