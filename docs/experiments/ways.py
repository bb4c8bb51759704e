"""One file, sent over loopback by each of the named ways, and what that took."""

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


def send(path: str, connection: socket.socket, way: zcio.Mechanism) -> None:
    before = resource.getrusage(resource.RUSAGE_THREAD)
    report = zcio.transfer(path, connection, mechanism=way)
    now = resource.getrusage(resource.RUSAGE_THREAD)
    faults = now.ru_minflt - before.ru_minflt
    time = (now.ru_utime - before.ru_utime) + (now.ru_stime - before.ru_stime)
    copies = "unknown" if report.copies is None else report.copies
    print(
        f"{way}: {report.system_calls} system calls, {faults} page faults, "
        f"copies by the processor: {copies}, {time * 1000:.1f} ms of it"
    )


with tempfile.NamedTemporaryFile(dir=".") as file:
    file.write(os.urandom(SIZE))
    file.flush()
    for name in sys.argv[1:]:
        way = next(way for way in zcio.MECHANISMS if way == name)
        with socket.create_server(("127.0.0.1", 0)) as server:
            receiver = threading.Thread(target=drain, args=(server,))
            receiver.start()
            with socket.create_connection(server.getsockname()) as connection:
                send(file.name, connection, way)
            receiver.join()
