package io.zcio;

import java.nio.file.OpenOption;

/** What an interrupt of a thread that uses a file channel does to it: to be given to {@link ZeroCopyFileChannel#open}. */
public enum InterruptOption implements OpenOption {
    /**
     * The channel stays open, and the operation goes on; the thread keeps its interrupt status. By default an interrupt closes a
     * channel for everybody who uses it. A transfer whose other end is a socket, a pipe, a path or a channel opened without this
     * option is ended by an interrupt, which closes that end and leaves this one.
     *
     * <p>Where it is not possible opening throws {@link UnsupportedOperationException}.
     */
    KEEP_OPEN
}
