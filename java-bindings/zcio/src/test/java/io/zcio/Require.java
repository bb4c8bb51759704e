package io.zcio;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Tests that need what a machine may not have: skipped with the reason, or failed where nothing may be skipped. */
final class Require {
    private Require() {}

    static void that(boolean present, String what) {
        if (!present) {
            System.out.println("skipped: " + what);
            Assertions.assertNull(System.getenv("ZCIO_REQUIRE"), "ZCIO_REQUIRE is set, and there is " + what);
        }
        Assumptions.assumeTrue(present, what);
    }

    /**
     * Whether a mechanism is allowed here. A container's filter denies io_uring: then it says so, and fails where nothing may be
     * skipped.
     */
    static boolean allowed(Mechanism mechanism) throws IOException {
        if (mechanism != Mechanism.URING) {
            return true;
        }
        Optional<Attempt> refusal;
        try (Batch batch = new Batch()) {
            refusal = batch.run(List.of()).refusal();
        }
        refusal.ifPresent(denied -> {
            System.out.println("skipped: " + denied.operation() + " is denied: " + denied.reason());
            Assertions.assertNull(System.getenv("ZCIO_REQUIRE"), "ZCIO_REQUIRE is set, and io_uring is denied");
        });
        return refusal.isEmpty();
    }

    /** Mounts a file system for the time of a test. */
    static Mount mount(java.nio.file.Path at, String options) throws Exception {
        java.nio.file.Files.createDirectories(at);
        Process mount = new ProcessBuilder("mount", "-t", "tmpfs", "-o", options, "zcio-test", at.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(mount.getInputStream().readAllBytes());
        that(mount.waitFor() == 0, "no right to mount a file system: " + said.strip());
        return () -> new ProcessBuilder("umount", at.toString()).inheritIO().start().waitFor();
    }

    /** Unmounts. */
    interface Mount extends AutoCloseable {}
}
