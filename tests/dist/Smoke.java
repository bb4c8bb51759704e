import io.zcio.Mechanism;
import io.zcio.Report;
import io.zcio.Transfer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** Copies a file, each way that there is anywhere, and looks at what came out. */
public class Smoke {
    private Smoke() {}

    public static void main(String[] args) throws Exception {
        Path from = Path.of(args[0]);
        Path to = Path.of("smoke-java");
        for (Mechanism mechanism : new Mechanism[] {null, Mechanism.READ_WRITE, Mechanism.MMAP_WRITE, Mechanism.SENDFILE}) {
            try (FileChannel source = FileChannel.open(from)) {
                Transfer transfer = Transfer.from(source).to(to);
                Report report = (mechanism == null ? transfer : transfer.mechanism(mechanism)).run();
                if (Files.mismatch(from, to) != -1) {
                    throw new AssertionError(report.toString());
                }
                System.out.println("Java " + Runtime.version().feature() + ": " + report.bytes() + " bytes by "
                        + report.mechanism().mechanismName());
            }
        }
        if (args.length > 1) {
            System.out.println("Java " + Runtime.version().feature() + ": " + Class.forName(args[1]).getMethods().length
                    + " methods in " + args[1]);
        }
    }
}
