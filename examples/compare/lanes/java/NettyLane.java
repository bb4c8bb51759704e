import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.DefaultFileRegion;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.FileRegion;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringSocketChannel;
import io.netty.util.Version;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Netty's lane: a file sent by {@code DefaultFileRegion} over one connection or many, on one of its transports.
 *
 * <p>Usage: {@code NettyLane METHOD}, one of netty_nio, netty_epoll, netty_io_uring.
 */
public final class NettyLane {

    private NettyLane() {}

    /** What tells transports apart. */
    private record Transport(IoHandlerFactory handler, Class<? extends SocketChannel> channel) {

        static Transport named(String method) throws IOException {
            return switch (method) {
                case "netty_nio" -> new Transport(NioIoHandler.newFactory(), NioSocketChannel.class);
                case "netty_epoll" -> new Transport(EpollIoHandler.newFactory(), EpollSocketChannel.class);
                case "netty_io_uring" -> new Transport(IoUringIoHandler.newFactory(), IoUringSocketChannel.class);
                default -> throw new IOException("no such method: " + method);
            };
        }
    }

    /**
     * Greets and serves.
     *
     * @param arguments the method
     * @throws IOException if there is no such method
     */
    public static void main(String[] arguments) throws IOException {
        // Opened when its turn comes, closed when it is sent.
        serve(arguments[0], (path, count) -> new DefaultFileRegion(path.toFile(), 0, count));
    }

    /** A whole file, to be written once. */
    interface Region {
        FileRegion of(Path path, long count) throws IOException;
    }

    static void serve(String method, Region region) throws IOException {
        String version = Version.identify().get("netty-transport").artifactVersion();
        Transport transport = Transport.named(method);
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(transport.handler());
        try {
            Job.serve("Netty " + version, job -> send(job, group, transport, region));
        } finally {
            group.shutdownGracefully();
        }
    }

    private static void send(Job job, EventLoopGroup group, Transport transport, Region region) throws Exception {
        Bootstrap bootstrap = new Bootstrap()
                .group(group)
                .channel(transport.channel())
                .option(ChannelOption.ALLOW_HALF_CLOSURE, true)
                .handler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel channel) {
                        channel.pipeline().addLast(new Closer());
                    }
                });
        List<SocketChannel> channels = new ArrayList<>();
        for (long left = job.number("connections"); left > 0; left--) {
            channels.add((SocketChannel) bootstrap.connect(job.address("sink")).sync().channel());
        }
        Path source = job.path("source");
        long size = Files.size(source);
        long times = job.number("times");
        try {
            job.timed(() -> {
                List<ChannelFuture> sent = new ArrayList<>();
                for (SocketChannel channel : channels) {
                    ChannelFuture last = null;
                    for (long left = times; left > 0; left--) {
                        last = channel.writeAndFlush(region.of(source, size));
                    }
                    sent.add(last);
                }
                for (int index = 0; index < channels.size(); index++) {
                    sent.get(index).sync();
                    channels.get(index).shutdownOutput().sync();
                }
                for (Channel channel : channels) {
                    channel.closeFuture().sync();
                }
                return new Job.Moved(size * times * channels.size());
            });
        } finally {
            channels.forEach(Channel::close);
        }
    }

    /** The receiver closes after the last byte: so do we. */
    private static final class Closer extends ChannelInboundHandlerAdapter {
        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            context.close();
        }
    }
}
