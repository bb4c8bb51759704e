"""Python's TLS sockets on this kernel: sent to where the kernel encrypts, refused where it does not; what arrives is decrypted in
user space, by this module's client and by openssl's, and compared by content.
"""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import zcio

folder, given = Path(sys.argv[1]), Path(__file__).parent
OP_ENABLE_KTLS = getattr(ssl, "OP_ENABLE_KTLS", 1 << 3)  # Python 3.11 lacks the name.
LENGTH = int(os.environ.get("ZCIO_KTLS_BYTES", (16 << 20) + 11))
data = (bytes(range(251)) * (LENGTH // 251 + 1))[:LENGTH]
source = folder / "python-ktls"
source.write_bytes(data)
CASES = [
    (ssl.TLSVersion.TLSv1_3, None, True),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", True),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", True),
    # Its authentication is not in the kernel.
    (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA", False),
]


def context(version: ssl.TLSVersion, cipher: str | None, kernel: bool = True) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(given / "certificate.pem", given / "key.pem")
    made.minimum_version = made.maximum_version = version
    if cipher:
        made.set_ciphers(cipher)
    if kernel:
        made.options |= OP_ENABLE_KTLS
    return made


def receive(address: tuple[str, int], received: bytearray, most: int) -> None:
    trusting = ssl.create_default_context(cafile=given / "certificate.pem")
    # An end without close_notify is an error.
    with (
        socket.create_connection(address) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as far,
    ):
        while len(received) < most and (piece := far.recv(1 << 16)):
            received.extend(piece)


@contextlib.contextmanager
def connection(made: ssl.SSLContext, received: bytearray, most: int = sys.maxsize) -> Iterator[ssl.SSLSocket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = threading.Thread(target=receive, args=(server.getsockname(), received, most), daemon=True)
        reader.start()
        plain, _ = server.accept()
    with made.wrap_socket(plain, server_side=True) as near:
        yield near
    reader.join()


def refused(work: Callable[[], object], message: str) -> None:
    try:
        work()
    except TypeError as error:
        assert message in str(error), error
    else:
        raise AssertionError("was not refused")


def encrypted() -> int:
    counts = dict(line.split() for line in Path("/proc/net/tls_stat").read_text().splitlines())
    return int(counts["TlsTxSw"]) + int(counts["TlsTxDevice"])


def sends(version: ssl.TLSVersion, cipher: str | None) -> None:
    before, received = encrypted(), bytearray()
    with connection(context(version, cipher), received) as near:
        near.settimeout(60)
        report = zcio.transfer(source, near)
        assert (report.bytes, report.encryption, report.copies) == (LENGTH, "kernel", 1), report
        report = zcio.transfer(memoryview(data)[:1000], near)
        assert (report.bytes, report.encryption) == (1000, "kernel"), report
        with near.makefile("wb", 0) as file:
            zcio.transfer(source, file, offset=10, count=5000)
        near.sendall(b"tail")
        refused(lambda: zcio.transfer(near, folder / "sink"), "TLS")
        with contextlib.suppress(ssl.SSLError, OSError):
            near.unwrap()
    assert bytes(received) == data + data[:1000] + data[10:5010] + b"tail"
    assert encrypted() > before
    print(version.name, cipher, report)


def main() -> None:
    if "tls" not in Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split():
        print("SKIPPED: ktls: no tls in net.ipv4.tcp_available_ulp")
        return
    for version, cipher, kernel in CASES:
        if kernel:
            sends(version, cipher)
            continue
        received = bytearray()
        with connection(context(version, cipher), received, 4) as near:
            refused(lambda: zcio.transfer(source, near), "OP_ENABLE_KTLS")  # noqa: B023
            near.sendall(b"tail")
        assert received == b"tail"
    received = bytearray()
    with connection(context(ssl.TLSVersion.TLSv1_3, None, False), received, 4) as near:
        refused(lambda: zcio.transfer(source, near), "OP_ENABLE_KTLS")
        near.sendall(b"tail")
    assert received == b"tail"
    # A peer that breaks off.
    with connection(context(ssl.TLSVersion.TLSv1_3, None), bytearray(), 100_000) as near:
        try:
            zcio.transfer(memoryview(data * 2), near)
        except ConnectionError as error:
            assert 100_000 <= error.moved < 2 * LENGTH, error
        else:
            raise AssertionError("nobody was there")
    # openssl's own client.
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
        command = ["openssl", "s_client", "-quiet", "-connect", address]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        plain, _ = server.accept()
        read = []
        reader = threading.Thread(target=lambda: read.append(client.stdout.read()))
        reader.start()
        with context(ssl.TLSVersion.TLSv1_3, None).wrap_socket(plain, server_side=True) as near:
            assert zcio.transfer(source, near).encryption == "kernel"
            with contextlib.suppress(ssl.SSLError, OSError):
                near.unwrap()
        reader.join()
        assert read == [data]
        assert client.wait() == 0


main()
