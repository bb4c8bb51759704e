package io.zcio.netty;

/**
 * Says of an outbound handler that it transforms no bytes and hands on a {@link io.netty.channel.FileRegion} as it is, so that
 * {@link ZeroCopyFiles} may write past it. One that counts or logs what is written is such a handler; Netty's own are known.
 */
public interface PassesFileRegions {}
