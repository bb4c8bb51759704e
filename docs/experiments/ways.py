"""One file, sent over loopback by each of the named ways: system calls, page faults, copies, processor time."""

import os
import resource
import socket
import sys
import tempfile
import threading

import zcio

SIZE = 16 << 20


def drain(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while connection.recv(1 << 20):
            pass


def used() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_THREAD)


with tempfile.NamedTemporaryFile(dir=".") as file:
    file.write(os.urandom(SIZE))
    file.flush()
    for way in sys.argv[1:]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            receiver = threading.Thread(target=drain, args=(server,))
            receiver.start()
            with socket.create_connection(server.getsockname()) as connection:
                before = used()
                report = zcio.transfer(file.name, connection, mechanism=way)  # type: ignore[arg-type]
                now = used()
            receiver.join()
        copies = "unknown" if report.copies is None else report.copies
        print(
            f"{way}: {report.bytes} bytes in {report.system_calls} system calls, "
            f"{now.ru_minflt - before.ru_minflt} page faults, copies by the processor: {copies}, "
            f"{(now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime) * 1000:.1f} ms of it"
        )
