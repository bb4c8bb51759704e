/**
 * Files over Netty's transports (NIO, epoll, io_uring) without a copy in this process.
 */
package io.zcio.netty;
