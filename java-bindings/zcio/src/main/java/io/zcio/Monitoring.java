package io.zcio;

/**
 * What an operator sees of zcio. {@link #counters} are always there. {@link #register} shows them to JMX, as
 * {@code io.zcio:type=Transfers}, and the regions beside the JDK's own buffer pools, as
 * {@code java.nio:type=BufferPool,name=zcio}. JDK Flight Recorder has an event {@code io.zcio.Transfer} for each operation.
 *
 * <p>Modules {@code java.management} and {@code jdk.jfr} are needed for that, and for nothing else.
 */
public final class Monitoring {
    private Monitoring() {}

    /**
     * The counters of this process.
     *
     * @return one object, whose numbers go on
     */
    public static ZcioMXBean counters() {
        return Statistics.BEAN;
    }

    /**
     * Shows them to JMX, until the registration is closed: a web application does that when it is undeployed, because what is
     * registered keeps its class loader.
     *
     * @return the registration
     * @throws IllegalStateException         if they are registered already, by this or another class loader's zcio
     * @throws UnsupportedOperationException if this runtime has no module {@code java.management}
     */
    public static Registration register() {
        try {
            return ManagementBeans.register();
        } catch (NoClassDefFoundError e) {
            throw new UnsupportedOperationException("this runtime has no module java.management", e);
        }
    }

    /** What {@link #register} has shown. */
    @FunctionalInterface
    public interface Registration extends AutoCloseable {
        /** Shows it no more. */
        @Override
        void close();
    }
}
