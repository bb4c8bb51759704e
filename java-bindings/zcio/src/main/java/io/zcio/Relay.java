package io.zcio;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.NotYetConnectedException;
import java.nio.channels.SocketChannel;

/**
 * Joins two sockets: what comes out of one goes into the other, in both directions at once, without passing through user
 * space.
 *
 * <pre>{@code
 * RelayReport report = Relay.between(client, server).run();
 * }</pre>
 *
 * <p>The end of one side is passed on when everything before it has been delivered ({@link SocketChannel#shutdownOutput} of
 * the other side), and the other direction goes on: a half-close stays a half-close. Nothing is read of a side whose input
 * was shut before ({@link SocketChannel#shutdownInput}): that is its end. While a relay runs, the descriptors of
 * its sockets are in non-blocking mode, whatever {@link SocketChannel#isBlocking} says. Interrupt and close are as for a
 * {@link Transfer}.
 */
public final class Relay extends Operation<RelayReport, Relay> {
    private final SocketChannel first;
    private final SocketChannel second;

    private Relay(SocketChannel first, SocketChannel second) {
        this.first = first;
        this.second = second;
    }

    /**
     * A relay between two sockets, TCP or UNIX domain, in any mix.
     *
     * @param first  a connected channel
     * @param second another one
     * @return the relay
     * @throws IllegalArgumentException if a channel is not one of the JDK's own
     */
    public static Relay between(SocketChannel first, SocketChannel second) {
        End.of(first);
        End.of(second);
        return new Relay(first, second);
    }

    /**
     * Runs until both directions are over, waiting as needed.
     *
     * @return what happened
     * @throws IllegalArgumentException   if both are the same socket
     * @throws NotYetConnectedException   if a socket is not connected
     * @throws ClosedChannelException     if a channel is closed
     * @throws AsynchronousCloseException if another thread closed a channel meanwhile
     * @throws ClosedByInterruptException if this thread was interrupted; both channels are closed
     * @throws RelayException             if a direction broke; what could be moved in the other one has been. The exceptions
     *                                    for close and interrupt have one as their cause
     * @throws IOException                if there is no descriptor left for the relay
     */
    @Override
    public RelayReport run() throws IOException {
        return run(token);
    }

    @Override
    public String toString() {
        return "Relay between " + EndNames.of(first) + " and " + EndNames.of(second);
    }

    @Override
    RelayReport run(CancelToken token) throws IOException {
        try (Stepper<RelayReport> stepper = open(Stepper.waiting(), token)) {
            try {
                return stepper.run();
            } catch (IOException e) {
                throw stepper.failed(new RelayException(e, stepper.report().orElseThrow(), stepper.undelivered(0), stepper.undelivered(1)));
            }
        }
    }

    /**
     * Begins a relay that is moved on step by step.
     *
     * @return the stepper
     * @throws IllegalBlockingModeException if a channel is in blocking mode
     * @throws IOException                  as {@link #run}
     */
    public Stepper<RelayReport> start() throws IOException {
        Stepper.requireSelectable(End.of(first), End.of(second));
        return open(Stepper.IN_SELECTOR, token);
    }

    private Stepper<RelayReport> open(int waiting, CancelToken token) throws IOException {
        End[] ends = {End.of(first), End.of(second)};
        Watch watch = new Watch(progress, token, ends);
        return Stepper.open("relay", this::startNative, waiting, watch, Relay::reportNative, ends);
    }

    private long startNative(int waiting) throws IOException {
        boolean firstIsShut = ChannelLocks.isInputShut(first);
        return NativeRelay.start(first, second, firstIsShut, ChannelLocks.isInputShut(second), waiting);
    }

    private static RelayReport reportNative(long handle) {
        return Packed.read(NativeRelay.report(handle), Reports::relayReport);
    }
}
