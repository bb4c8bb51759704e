/**
 * Files over Netty's transports (NIO, epoll, io_uring) without a copy in this process.
 */
@NullMarked
package io.zcio.netty;

import org.jspecify.annotations.NullMarked;
