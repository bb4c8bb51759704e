package io.zcio.netty;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.uring.IoUring;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringServerSocketChannel;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.function.Supplier;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Netty's transports, each as a server on the loopback; the other side is a plain blocking socket. */
enum Transport {
    NIO(NioIoHandler::newFactory, NioServerSocketChannel.class, () -> null),
    EPOLL(EpollIoHandler::newFactory, EpollServerSocketChannel.class, Epoll::unavailabilityCause),
    IO_URING(IoUringIoHandler::newFactory, IoUringServerSocketChannel.class, IoUring::unavailabilityCause);

    private final Supplier<IoHandlerFactory> handler;
    private final Class<? extends ServerChannel> channel;
    private final Supplier<Throwable> unavailable;

    Transport(
            Supplier<IoHandlerFactory> handler,
            Class<? extends ServerChannel> channel,
            Supplier<Throwable> unavailable) {
        this.handler = handler;
        this.channel = channel;
        this.unavailable = unavailable;
    }

    /** A server whose connections get these handlers. */
    Server serve(Supplier<ChannelHandler[]> handlers) throws Exception {
        Throwable cause = unavailable.get();
        if (cause != null) {
            System.out.println("skipped: no " + this + ": " + cause);
            Assertions.assertNull(System.getenv("ZCIO_REQUIRE"), "ZCIO_REQUIRE is set");
        }
        Assumptions.assumeTrue(cause == null);
        EventLoopGroup group = group();
        Channel server = new ServerBootstrap()
                .group(group)
                .channel(channel)
                .childHandler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel connection) {
                        connection.pipeline().addLast(handlers.get());
                    }
                })
                .bind(InetAddress.getLoopbackAddress(), 0)
                .sync()
                .channel();
        return new Server(group, server);
    }

    /** The kernel frees the memory of a ring some time after it was closed, and until then it counts against the limit. */
    private EventLoopGroup group() throws InterruptedException {
        for (int tries = 1; ; tries++) {
            try {
                return new MultiThreadIoEventLoopGroup(1, handler.get());
            } catch (IllegalStateException e) {
                if (tries == 200 || !String.valueOf(e.getCause()).contains("memlock")) {
                    throw e;
                }
                Thread.sleep(50);
            }
        }
    }

    /** A bound server with its event loop. */
    record Server(EventLoopGroup group, Channel channel) implements AutoCloseable {
        /** For clients of Netty's. */
        private static final EventLoopGroup CLIENTS = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());

        EventLoopGroup clients() {
            return CLIENTS;
        }

        InetSocketAddress address() {
            return (InetSocketAddress) channel.localAddress();
        }

        java.nio.channels.SocketChannel connect() throws Exception {
            return java.nio.channels.SocketChannel.open(address());
        }

        @Override
        public void close() throws Exception {
            channel.close().sync();
            group.shutdownGracefully(0, 1, java.util.concurrent.TimeUnit.SECONDS).sync();
        }
    }
}
