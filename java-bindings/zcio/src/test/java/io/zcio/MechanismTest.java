package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The enum is made of the core's own list, which a test of the generator compares. */
class MechanismTest {
    @Test
    void namesLeadBack() {
        for (Mechanism mechanism : Mechanism.values()) {
            assertEquals(mechanism, Mechanism.of(mechanism.mechanismName()));
        }
    }

    @Test
    void anUnknownNameListsTheKnownOnes() {
        for (String name : new String[] {"teleport", "SENDFILE", "", null}) {
            String message = assertThrows(IllegalArgumentException.class, () -> Mechanism.of(name)).getMessage();
            for (Mechanism mechanism : Mechanism.values()) {
                assertTrue(message.contains(mechanism.mechanismName()), message);
            }
        }
    }

    @Test
    void aPanicIsAnException() {
        String message = assertThrows(IllegalStateException.class, () -> Native.panic("on purpose")).getMessage();
        assertTrue(message.contains("on purpose"), message);
    }
}
