package io.zcio;

/**
 * Which process a {@link SharedRegion} is sent to or received from. The kernel says who is at the other end of the socket
 * (unix(7), {@code SO_PEERCRED}); another than the accepted one is refused before anything is sent or read.
 *
 * <p>The first use of this class loads all that a hand-over needs: get the peer before you connect, and the first hand-over is as
 * quick as later ones.
 */
public final class Peer {
    private static final Peer SAME_USER = new Peer(Kind.SAME_USER, 0);
    private static final Peer ANYONE = new Peer(Kind.ANYONE, 0);

    static {
        SharedRegion.prepare();
    }

    /** The order is known to the native code. */
    enum Kind {
        SAME_USER, USER, PROCESS, ANYONE
    }

    final Kind kind;
    final int number;

    private Peer(Kind kind, int number) {
        this.kind = kind;
        this.number = number;
    }

    /**
     * A process of this process's own effective user.
     *
     * @return the peer
     */
    public static Peer sameUser() {
        return SAME_USER;
    }

    /**
     * A process of one user.
     *
     * @param uid the user's number, from 0 to 2<sup>32</sup> - 1
     * @return the peer
     * @throws IllegalArgumentException if there is no such number
     */
    public static Peer user(long uid) {
        if (uid < 0 || uid >>> 32 != 0) {
            throw new IllegalArgumentException("not a user's number: " + uid);
        }
        return new Peer(Kind.USER, (int) uid);
    }

    /**
     * One process.
     *
     * @param pid its number, see {@link ProcessHandle#pid}
     * @return the peer
     * @throws IllegalArgumentException if there is no such number
     */
    public static Peer process(long pid) {
        if (pid <= 0 || pid > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("not a process's number: " + pid);
        }
        return new Peer(Kind.PROCESS, (int) pid);
    }

    /**
     * Whoever holds the socket's other end.
     *
     * @return the peer
     */
    public static Peer anyone() {
        return ANYONE;
    }

    @Override
    public String toString() {
        return kind == Kind.USER || kind == Kind.PROCESS ? kind + " " + Integer.toUnsignedString(number) : kind.toString();
    }
}
