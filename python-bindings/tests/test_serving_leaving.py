"""A client that leaves real servers: nothing is read for it any more."""

import os
import socket
import time
from pathlib import Path

import pytest
from servers import COMMANDS, served

APP = """
import os
import zcio.asgi

def read():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    before = []

    async def told():
        message = await receive()
        before.append(read())
        return message

    try:
        await zcio.asgi.send_file(os.environ["ZCIO_FILE"], scope, told, send)
    finally:
        with open("new", "w") as file:
            file.write(str(read() - before[-1] if before else 0))
        os.rename("new", "read")
"""
LEFT = 5_000_000


@pytest.mark.parametrize("server", COMMANDS)
def test_nothing_is_read_for_a_client_that_has_left(server: str, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 1 << 40)
    with served(server, APP, tmp_path, ZCIO_FILE=str(large)) as port:
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            taken = 0
            while taken < LEFT:
                taken += len(client.recv(1 << 16))
        # All of it would take minutes. What sends the file itself (granian) is done with the application at once.
        while not (tmp_path / "read").exists():
            time.sleep(0.01)
        assert int((tmp_path / "read").read_text()) < 1 << 20
