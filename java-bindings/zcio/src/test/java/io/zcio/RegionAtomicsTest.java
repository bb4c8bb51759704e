package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** Ordered and atomic access to shared memory, from two holders of it. */
@Timeout(120)
class RegionAtomicsTest {
    @Test
    void bothOrdersAndAllModes() throws Exception {
        for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
            try (SharedRegion shared = SharedRegion.create(100)) {
                MappedRegion region = shared.region().order(order);
                RegionAtomics atomics = shared.atomics();
                atomics.putLongVolatile(8, 0x0102030405060708L);
                assertEquals(0x0102030405060708L, region.getLong(8));
                assertEquals(order, region.asByteBuffer(0, 100).order());
                assertEquals(0x0102030405060708L, region.asByteBuffer(0, 100).getLong(8));
                atomics.putIntRelease(4, 0x01020304);
                assertEquals(0x01020304, region.getInt(4));
                region.putInt(0, 41);
                assertEquals(41, atomics.getIntAcquire(0));
                assertEquals(41, atomics.getAndAddInt(0, -1));
                assertEquals(40, atomics.getIntVolatile(0));
                assertFalse(atomics.compareAndSetInt(0, 41, 1));
                assertTrue(atomics.compareAndSetInt(0, 40, 1));
                assertEquals(1, atomics.compareAndExchangeInt(0, 1, 2));
                assertEquals(2, atomics.compareAndExchangeInt(0, 1, 3));
                assertEquals(2, atomics.getAndSetInt(0, 4));
                atomics.putIntVolatile(0, 5);
                assertEquals(5, region.getInt(0));
                atomics.putLongRelease(16, -1);
                assertEquals(-1, atomics.getLongAcquire(16));
                assertEquals(-1, atomics.getAndAddLong(16, 3));
                assertEquals(2, atomics.getLongVolatile(16));
                assertFalse(atomics.compareAndSetLong(16, 3, 1));
                assertTrue(atomics.compareAndSetLong(16, 2, 1));
                assertEquals(1, atomics.compareAndExchangeLong(16, 1, 7));
                assertEquals(7, atomics.getAndSetLong(16, 8));
                assertEquals(8, region.getLong(16));
            }
        }
    }

    /** Each adds; no addition is lost, and what was stored before a release is there after the acquire. */
    @Test
    void twoHoldersAgree() throws Exception {
        try (SharedRegion one = SharedRegion.create(4096); Ends.Pair pair = Ends.unix()) {
            one.seal(Seal.SHRINK);
            var sent = Ends.background(() -> {
                one.send(pair.near(), Peer.sameUser());
                return null;
            });
            try (SharedRegion other = SharedRegion.receive(pair.far(), Peer.sameUser())) {
                Ends.result(sent);
                int rounds = 200_000;
                CompletableFuture<Void> adding = Ends.background(() -> {
                    RegionAtomics atomics = other.atomics();
                    for (int i = 0; i < rounds; i++) {
                        atomics.getAndAddLong(0, 1);
                    }
                    other.region().putLong(16, 42);
                    atomics.putIntRelease(8, 1);
                    return null;
                });
                RegionAtomics atomics = one.atomics();
                for (int i = 0; i < rounds; i++) {
                    long seen = atomics.getLongVolatile(0);
                    while (!atomics.compareAndSetLong(0, seen, seen + 1)) {
                        seen = atomics.getLongVolatile(0);
                    }
                }
                while (atomics.getIntAcquire(8) == 0) {
                    Thread.onSpinWait();
                }
                assertEquals(42, one.region().getLong(16));
                Ends.result(adding);
                assertEquals(2 * rounds, atomics.getLongVolatile(0));
            }
        }
    }

    @Test
    void wrongPlacesAndClosedRegions() throws Exception {
        SharedRegion shared = SharedRegion.create(4096);
        RegionAtomics atomics = shared.atomics();
        assertThrowsExactly(IllegalArgumentException.class, () -> atomics.getLongVolatile(4));
        assertThrowsExactly(IllegalArgumentException.class, () -> atomics.putIntVolatile(2, 1));
        for (long outside : new long[] {-8, 4096, 1L << 40, Long.MAX_VALUE - 7}) {
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> atomics.getLongVolatile(outside), "" + outside);
        }
        atomics.putLongVolatile(4088, 7);
        shared.grow(8192);
        assertEquals(7, atomics.getLongVolatile(4088));
        atomics.putLongVolatile(8184, 8);
        assertEquals(8, shared.region().getLong(8184));
        shared.close();
        Executable[] uses = {() -> atomics.getLongVolatile(0), () -> atomics.putIntRelease(0, 1), () -> atomics.getAndAddLong(0, 1)};
        for (Executable use : uses) {
            assertThrowsExactly(IllegalStateException.class, use);
        }
    }
}
