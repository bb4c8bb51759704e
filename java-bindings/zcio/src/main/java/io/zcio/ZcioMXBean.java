package io.zcio;

import java.util.Map;

/** What zcio has done in this process, and what it holds; see {@link Monitoring}. */
public interface ZcioMXBean {
    /**
     * Bytes delivered, by {@linkplain Mechanism#mechanismName name of the mechanism}; those of an operation that failed without
     * a word about that are under {@code unknown}.
     *
     * @return a number for each
     */
    Map<String, Long> getBytesByMechanism();

    /**
     * Bytes delivered, all together; of a fan-out to each of its sinks.
     *
     * @return their number
     */
    long getBytes();

    /**
     * Transfers, relays, fan-outs, batches and copies that are over, whether they failed or not.
     *
     * @return their number
     */
    long getOperations();

    /**
     * Those that failed.
     *
     * @return their number
     */
    long getFailures();

    /**
     * How often a mechanism refused and another one was tried.
     *
     * @return the number of refusals
     */
    long getFallbacks();

    /**
     * System calls made to move bytes, as far as they are counted.
     *
     * @return their number
     */
    long getSystemCalls();

    /**
     * Regions that are mapped: neither closed nor collected.
     *
     * @return their number
     */
    long getOpenRegions();

    /**
     * The addresses that those regions take.
     *
     * @return bytes
     */
    long getRegionBytes();

    /**
     * Operations that wait for a peer on virtual threads, and steppers whose last step was blocked. A platform thread waits
     * inside the kernel, and is not counted.
     *
     * @return their number
     */
    long getWaitingTransfers();
}
