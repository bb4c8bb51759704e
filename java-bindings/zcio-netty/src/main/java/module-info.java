/**
 * Files over Netty's transports without a copy in this process: {@link io.zcio.netty.ZeroCopyFiles} and
 * {@link io.zcio.netty.ZeroCopyFileRegion} send, {@link io.zcio.netty.FileUploadHandler} receives.
 */
module io.zcio.netty {
    requires io.zcio;
    requires transitive io.netty.transport;
    requires transitive io.netty.buffer;
    requires transitive io.netty.common;
    requires io.netty.codec;
    requires static io.netty.transport.classes.epoll;
    requires static io.netty.transport.unix.common;
    requires static io.netty.codec.http;
    requires static io.netty.codec.http2;
    requires static org.jspecify;

    exports io.zcio.netty;
}
