package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The enum against the core's own list. */
class MechanismTest {
    @Test
    void theEnumIsTheCoresList() {
        String[] names = Arrays.stream(Mechanism.values()).map(Mechanism::mechanismName).toArray(String[]::new);
        assertArrayEquals(Native.mechanisms(), names);
    }

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
