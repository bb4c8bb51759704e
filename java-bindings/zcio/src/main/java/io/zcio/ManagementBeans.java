package io.zcio;

import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import javax.management.InstanceAlreadyExistsException;
import javax.management.InstanceNotFoundException;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/** The only class that knows JMX, which a runtime need not have. */
final class ManagementBeans {
    private ManagementBeans() {}

    /** The regions, as the JDK shows its own mapped buffers. */
    private static final class Pool implements BufferPoolMXBean {
        @Override
        public String getName() {
            return "zcio";
        }

        @Override
        public long getCount() {
            return Statistics.BEAN.getOpenRegions();
        }

        @Override
        public long getTotalCapacity() {
            return Statistics.BEAN.getRegionBytes();
        }

        @Override
        public long getMemoryUsed() {
            return Statistics.BEAN.getRegionBytes();
        }

        @Override
        public ObjectName getObjectName() {
            return name("java.nio:type=BufferPool,name=zcio");
        }
    }

    private static ObjectName name(String name) {
        try {
            return new ObjectName(name);
        } catch (JMException e) {
            throw new AssertionError(e);
        }
    }

    static Monitoring.Registration register() {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        List<ObjectName> names = new ArrayList<>();
        Monitoring.Registration all = () -> names.forEach(name -> unregister(server, name));
        try {
            Pool pool = new Pool();
            names.add(server.registerMBean(Statistics.BEAN, name("io.zcio:type=Transfers")).getObjectName());
            names.add(server.registerMBean(pool, pool.getObjectName()).getObjectName());
            return all;
        } catch (InstanceAlreadyExistsException e) {
            all.close();
            throw new IllegalStateException("zcio is registered already", e);
        } catch (JMException e) {
            all.close();
            throw new IllegalStateException(e);
        }
    }

    private static void unregister(MBeanServer server, ObjectName name) {
        try {
            server.unregisterMBean(name);
        } catch (InstanceNotFoundException e) {
            // Somebody else did.
        } catch (JMException e) {
            throw new IllegalStateException(e);
        }
    }
}
