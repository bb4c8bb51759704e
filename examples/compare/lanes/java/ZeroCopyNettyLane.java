import io.zcio.netty.ZeroCopyFileRegion;
import java.io.IOException;

/**
 * {@link NettyLane} with zcio's region; a class of its own, because Netty's own lanes must run without zcio's module.
 *
 * <p>Usage: {@code ZeroCopyNettyLane METHOD}, one of zcio_netty_nio, zcio_netty_epoll, zcio_netty_io_uring.
 */
public final class ZeroCopyNettyLane {

    private ZeroCopyNettyLane() {}

    /**
     * Greets and serves.
     *
     * @param arguments the method
     * @throws IOException if there is no such method
     */
    public static void main(String[] arguments) throws IOException {
        NettyLane.serve(arguments[0].substring("zcio_".length()), (path, count) -> new ZeroCopyFileRegion(path, 0, count));
    }
}
