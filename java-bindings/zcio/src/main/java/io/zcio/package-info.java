/**
 * Moves bytes between files, sockets and pipes without taking them through user space, on Linux, and says truthfully how
 * it did it.
 *
 * <p>A {@link Transfer} goes from one end to another; a {@link Mechanism} is one way the kernel can move bytes; a
 * {@link Report} says what happened. The ends are the JDK's own: {@link java.nio.file.Path},
 * {@link java.nio.channels.FileChannel}, {@link java.nio.channels.SocketChannel} (TCP and UNIX domain) and the two ends of a
 * {@link java.nio.channels.Pipe}; a direct {@link java.nio.ByteBuffer} can be a source.
 *
 * <p>A {@link Relay} joins two sockets, a {@link FanOut} gives one source to many sinks, a {@link Batch} makes many small
 * transfers in one call, a {@link Copy} makes a file out of a file. What {@code run} does by waiting, a {@link Stepper} does
 * step by step in a selector loop. JDK Flight Recorder sees an event {@code io.zcio.Transfer} for each of them, where the
 * module {@code jdk.jfr} is there, and {@link Monitoring} counts what they did.
 *
 * <p>A {@link MappedRegion} is a file in memory that can be closed; a {@link SharedRegion} is memory of several processes.
 *
 * <p>A region, stepper or batch that is forgotten instead of closed is freed by the garbage collector, and a warning is logged
 * once ({@link System.Logger}, {@code io.zcio}); {@code -Dio.zcio.leakDetection=true} makes it say where each was made.
 *
 * <h2>Null, ranges and setters</h2>
 *
 * <p>No argument may be null ({@link NullPointerException}), and no method returns null; what may be absent is an
 * {@link java.util.Optional}. The packages say so in the words of <a href="https://jspecify.dev">JSpecify</a>, whose annotations are
 * not needed at run time. Where bytes begin is an <i>offset</i>, how many are wanted a <i>count</i>, how long something is its
 * <i>size</i>; {@link ZeroCopyFileChannel} has the words of {@link java.nio.channels.FileChannel} besides. All are in bytes. The
 * setters of an operation change it and return it; an item of a {@link Batch} and a report never change. Reports are
 * made by zcio alone, and later versions may add to them.
 *
 * <h2>The native library</h2>
 *
 * <p>The jar carries it. On first use it is copied to a directory of the user's own below {@code java.io.tmpdir}, loaded, and the
 * copy removed. So each class loader that has these classes has a library of its own, which goes with it: a web application that was
 * stopped is collected, and several versions work side by side. Where that cannot be, a {@code libzcio_jni.so} of the same version in
 * {@code java.library.path} serves; and where there is none, {@link Zcio#unavailabilityCause} says why and what to do.
 *
 * <p>There is a place for each architecture, {@code io/zcio/native/linux-x86_64} and {@code io/zcio/native/linux-aarch64}. What is
 * published has both, or with a classifier ({@code linux-x86_64}, {@code linux-aarch_64}) one of them; a build from source fills that
 * of the machine it runs on. Two system properties change where the library is loaded from. They are named after the package, if a
 * build has moved that:
 * <ul>
 *   <li>{@code io.zcio.native.dir}: copy it to this directory instead, for a {@code /tmp} that is mounted {@code noexec}; if others
 *       can write to it, to a directory of the user's own in it;</li>
 *   <li>{@code io.zcio.native.path}: load exactly this file, which must be of the same version, and copy nothing.</li>
 * </ul>
 */
@NullMarked
package io.zcio;

import org.jspecify.annotations.NullMarked;
