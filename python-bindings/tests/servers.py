"""Real ASGI servers, each in a process of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# The module, and what it is given for an application and a port.
COMMANDS = {
    "uvicorn": ["{app}", "--port", "{port}", "--log-level", "warning"],
    "granian": ["{app}", "--interface", "asgi", "--port", "{port}", "--no-log"],
    "hypercorn": ["{app}", "--bind", "127.0.0.1:{port}"],
    "zcio.uvicorn": ["{app}", "--port", "{port}", "--log-level", "warning", "--http", "zcio.uvicorn:AutoProtocol"],
}


@contextlib.contextmanager
def served(server: str, application: str, folder: Path, **environment: str) -> Iterator[int]:
    """The port of that server with ``app`` of this text of a module, which is put into the folder."""
    module = server.removeprefix("zcio.")
    pytest.importorskip(module)
    (folder / "served.py").write_text(application)
    port = _free_port()
    arguments = [argument.format(app="served:app", port=port) for argument in COMMANDS[server]]
    environment = {**os.environ, "PYTHONPATH": str(folder), **environment}
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            begun = time.monotonic()
            while not _answers(port):
                assert process.poll() is None
                assert time.monotonic() < begun + 120
                time.sleep(0.1)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
