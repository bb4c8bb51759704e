package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.channels.ClosedChannelException;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What can be told of {@link KernelTls} where the kernel has none. With it, it is tried in tests/kernels. */
class KernelTlsTest {
    private static SSLSocket over(Socket socket) throws IOException {
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        return (SSLSocket) factory.createSocket(socket, "localhost", socket.getPort(), true);
    }

    /** The JDK keeps a socket's number when it is closed: the keys would be given to whoever has that by then. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSocketThatIsClosedHasNoDescriptorWhoeverHasItsNumberNow(boolean isLayered) throws Exception {
        InetAddress here = InetAddress.getLoopbackAddress();
        try (ServerSocket server = new ServerSocket(0, 50, here)) {
            List<Socket> others = new ArrayList<>();
            Socket below = isLayered
                    ? new Socket(here, server.getLocalPort())
                    : SSLSocketFactory.getDefault().createSocket(here, server.getLocalPort());
            try (Socket accepted = server.accept();
                    SSLSocket tls = isLayered ? over(below) : (SSLSocket) below) {
                below.close();
                for (int i = 0; i < 5; i++) {
                    others.add(new Socket(here, server.getLocalPort()));
                }
                assertThrows(ClosedChannelException.class, () -> KernelTls.begin(tls));
                for (Socket other : others) {
                    try (Socket peer = server.accept()) {
                        other.getOutputStream().write(7);
                        assertEquals(7, peer.getInputStream().read());
                    }
                }
            } finally {
                for (Socket other : others) {
                    other.close();
                }
            }
        }
    }

    @Test
    void oneWithoutAHandshakeIsAsItWas() throws Exception {
        InetAddress here = InetAddress.getLoopbackAddress();
        try (ServerSocket server = new ServerSocket(0, 1, here);
                Socket below = new Socket(here, server.getLocalPort());
                Socket peer = server.accept();
                SSLSocket tls = over(below)) {
            String message = assertThrows(UnsupportedOperationException.class, () -> KernelTls.begin(tls)).getMessage();
            assertEquals("the kernel cannot encrypt for this connection: its handshake is not over", message);
            below.getOutputStream().write(7);
            assertEquals(7, peer.getInputStream().read());
        }
    }
}
