package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** Both ends of TLS, with a certificate that is made for the occasion. */
final class Tls {
    private Tls() {}

    static SslContext server(Path directory) throws Exception {
        Path store = directory.resolve("keys");
        String tool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
        Process made = new ProcessBuilder(tool, "-genkeypair", "-alias", "a", "-keyalg", "EC", "-dname", "CN=localhost",
                        "-keystore", store.toString(), "-storepass", "secret", "-storetype", "PKCS12")
                .redirectErrorStream(true)
                .start();
        String said = new String(made.getInputStream().readAllBytes());
        assertEquals(0, made.waitFor(), said);
        KeyStore keys = KeyStore.getInstance(store.toFile(), "secret".toCharArray());
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(keys, "secret".toCharArray());
        return SslContextBuilder.forServer(factory).build();
    }

    static SSLSocket connect(Transport.Server server) throws Exception {
        SSLContext client = SSLContext.getInstance("TLS");
        client.init(null, InsecureTrustManagerFactory.INSTANCE.getTrustManagers(), null);
        return (SSLSocket) client.getSocketFactory().createSocket(server.address().getAddress(), server.address().getPort());
    }
}
