import io.zcio.Report;
import io.zcio.Transfer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/**
 * Sends a file over TCP and says how: {@code java -cp zcio.jar SendFile.java FILE HOST PORT}
 *
 * <p>To receive it: {@code nc -l PORT > copy}. The report names the mechanism that was chosen; {@code systemCalls} shows
 * what it spared. A JDK from 24 on warns of the native library unless it is given
 * {@code --enable-native-access=ALL-UNNAMED}.
 */
public final class SendFile {

    private SendFile() {}

    /**
     * Sends it.
     *
     * @param arguments file, host, port
     * @throws IOException if the file cannot be read or the receiver goes away; it says how many bytes had been sent
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 3) {
            System.err.println("usage: SendFile FILE HOST PORT");
            System.exit(2);
        }
        InetSocketAddress receiver = new InetSocketAddress(arguments[1], Integer.parseInt(arguments[2]));
        try (SocketChannel socket = SocketChannel.open(receiver)) {
            Report report = Transfer.from(Path.of(arguments[0])).to(socket).run();
            System.out.printf("%d bytes by %s in %d system calls%n",
                    report.bytes(), report.mechanism().mechanismName(), report.systemCalls());
        }
    }
}
