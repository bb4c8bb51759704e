import io.zcio.Encryption;
import io.zcio.KernelTls;
import io.zcio.Report;
import io.zcio.Transfer;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** The JDK's TLS with the kernel as its cipher, to the JDK's own client and to openssl's; compared by content. */
public final class Ktls {
    private static final String[][] GIVEN = {
        {"TLSv1.3", "TLS_AES_128_GCM_SHA256"},
        {"TLSv1.3", "TLS_AES_256_GCM_SHA384"},
        {"TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
        {"TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    };
    private static final String[] REFUSED = {"TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"};
    private static final byte[] QUESTION = "question".getBytes();

    private static SSLContext context;
    private static Path source;
    private static byte[] data;

    private Ktls() {}

    public static void main(String[] arguments) throws Exception {
        if (!Files.readString(Path.of("/proc/sys/net/ipv4/tcp_available_ulp")).contains("tls")) {
            System.out.println("SKIPPED: ktls: no tls in net.ipv4.tcp_available_ulp");
            return;
        }
        String length = System.getenv().getOrDefault("ZCIO_KTLS_BYTES", String.valueOf((8 << 20) + 11));
        data = new byte[Integer.parseInt(length)];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i % 251);
        }
        source = Files.write(Path.of(arguments[0], "java-ktls"), data);
        context = context(Path.of(arguments[1]));
        long before = encrypted();
        for (String[] suite : GIVEN) {
            socket(suite);
            engine(suite);
        }
        check("tls_stat", encrypted() - before == 2 * GIVEN.length);
        refused();
        brokenOff();
        openssl();
    }

    private static long encrypted() throws Exception {
        return Files.readAllLines(Path.of("/proc/net/tls_stat")).stream()
                .map(line -> line.trim().split("\\s+"))
                .filter(pair -> pair[0].equals("TlsTxSw") || pair[0].equals("TlsTxDevice"))
                .mapToLong(pair -> Long.parseLong(pair[1]))
                .sum();
    }

    private static SSLServerSocket listen(String[] suite) throws Exception {
        var listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0);
        listener.setEnabledProtocols(new String[] {suite[0]});
        listener.setEnabledCipherSuites(new String[] {suite[1]});
        return listener;
    }

    /** All that comes to the JDK's client, until the peer says that it was all: an end without that is an exception. */
    private static CompletableFuture<byte[]> client(int port, int most) {
        return CompletableFuture.supplyAsync(() -> {
            try (var far = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", port)) {
                far.getOutputStream().write(QUESTION);
                return most < 0 ? far.getInputStream().readAllBytes() : far.getInputStream().readNBytes(most);
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
    }

    private static void send(KernelTls tls) throws Exception {
        Report report = Transfer.from(source).to(tls.channel()).run();
        check(report.toString(), report.bytes() == data.length && report.encryption() == Encryption.KERNEL);
        report = Transfer.from(source).to(tls.channel()).offset(5).count(1000).run();
        check(report.toString(), report.bytes() == 1000 && report.encryption() == Encryption.KERNEL);
        tls.channel().write(ByteBuffer.wrap("tail".getBytes()));
    }

    private static void received(String name, byte[] bytes) {
        var expected = new ByteArrayOutputStream();
        expected.writeBytes(data);
        expected.write(data, 5, 1000);
        expected.writeBytes("tail".getBytes());
        check(name, Arrays.equals(bytes, expected.toByteArray()));
    }

    private static void socket(String[] suite) throws Exception {
        try (var listener = listen(suite)) {
            var far = client(listener.getLocalPort(), -1);
            try (var near = (SSLSocket) listener.accept()) {
                near.startHandshake();
                KernelTls tls = KernelTls.begin(near);
                // What comes is still the JDK's to decrypt.
                check("question", Arrays.equals(near.getInputStream().readNBytes(QUESTION.length), QUESTION));
                send(tls);
                try {
                    near.getOutputStream().write(1);
                    throw new AssertionError("the JDK wrote beside the kernel");
                } catch (java.io.IOException e) {
                    // Its output is closed.
                }
                tls.close();
                received("socket " + suite[1], far.get());
                check("the peer's end", near.getInputStream().read() < 0);
            }
        }
    }

    private static void engine(String[] suite) throws Exception {
        try (var listener = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0))) {
            var far = client(((InetSocketAddress) listener.getLocalAddress()).getPort(), -1);
            try (SocketChannel near = listener.accept()) {
                SSLEngine engine = context.createSSLEngine();
                engine.setUseClientMode(false);
                engine.setEnabledProtocols(new String[] {suite[0]});
                engine.setEnabledCipherSuites(new String[] {suite[1]});
                shakeHands(engine, near);
                try (KernelTls tls = KernelTls.begin(engine, near)) {
                    send(tls);
                }
                received("engine " + suite[1], far.get());
            }
        }
    }

    private static void shakeHands(SSLEngine engine, SocketChannel channel) throws Exception {
        ByteBuffer in = ByteBuffer.allocate(1 << 16);
        ByteBuffer out = ByteBuffer.allocate(1 << 16);
        ByteBuffer plain = ByteBuffer.allocate(1 << 16);
        engine.beginHandshake();
        boolean wants = true;
        while (true) {
            var status = engine.getHandshakeStatus();
            switch (status) {
                case NEED_TASK -> engine.getDelegatedTask().run();
                case NEED_WRAP -> {
                    engine.wrap(ByteBuffer.allocate(0), out.clear());
                    out.flip();
                    while (out.hasRemaining()) {
                        channel.write(out);
                    }
                }
                case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> {
                    if (wants) {
                        channel.read(in);
                    }
                    in.flip();
                    SSLEngineResult result = engine.unwrap(in, plain);
                    wants = result.getStatus() == SSLEngineResult.Status.BUFFER_UNDERFLOW || !in.hasRemaining();
                    in.compact();
                }
                default -> {
                    return;
                }
            }
        }
    }

    private static void refused() throws Exception {
        try (var listener = listen(REFUSED)) {
            var far = client(listener.getLocalPort(), -1);
            try (var near = (SSLSocket) listener.accept()) {
                refusal(near, "handshake is not over");
                near.startHandshake();
                refusal(near, "AES-GCM");
                near.getOutputStream().write(QUESTION);
                near.shutdownOutput();
                check("as before", Arrays.equals(far.get(), QUESTION));
            }
        }
    }

    private static void refusal(SSLSocket socket, String reason) throws Exception {
        try {
            KernelTls.begin(socket);
            throw new AssertionError("was not refused: " + reason);
        } catch (UnsupportedOperationException e) {
            check(e.getMessage(), e.getMessage().contains(reason));
        }
    }

    private static void brokenOff() throws Exception {
        try (var listener = listen(GIVEN[0])) {
            var far = client(listener.getLocalPort(), 1000);
            try (var near = (SSLSocket) listener.accept()) {
                near.startHandshake();
                KernelTls tls = KernelTls.begin(near);
                try {
                    for (int i = 0; i < 100; i++) {
                        Transfer.from(source).to(tls.channel()).run();
                    }
                    throw new AssertionError("nobody was there");
                } catch (java.io.IOException e) {
                    System.out.println("as it should: " + e);
                }
                far.get();
            }
        }
    }

    private static void openssl() throws Exception {
        try (var listener = listen(GIVEN[1])) {
            Path out = source.resolveSibling("java-openssl");
            String address = "127.0.0.1:" + listener.getLocalPort();
            Process client = new ProcessBuilder("openssl", "s_client", "-quiet", "-connect", address)
                    .redirectOutput(out.toFile())
                    .start();
            try (var near = (SSLSocket) listener.accept()) {
                near.startHandshake();
                try (KernelTls tls = KernelTls.begin(near)) {
                    check("openssl", Transfer.from(source).to(tls.channel()).run().bytes() == data.length);
                }
                check("openssl's end", client.waitFor() == 0);
            }
            check("openssl's bytes", Arrays.equals(Files.readAllBytes(out), data));
        }
    }

    private static SSLContext context(Path folder) throws Exception {
        String pem = Files.readString(folder.resolve("key.pem")).replaceAll("-----[A-Z ]+-----|\\s", "");
        var key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        Certificate certificate;
        try (InputStream in = Files.newInputStream(folder.resolve("certificate.pem"))) {
            certificate = CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
        char[] password = "none".toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("key", key, password, new Certificate[] {certificate});
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("certificate", certificate);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext made = SSLContext.getInstance("TLS");
        made.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return made;
    }

    private static void check(String what, boolean right) {
        if (!right) {
            throw new AssertionError(what);
        }
        System.out.println(what);
    }
}
