"""Copies a file, each way that there is anywhere, sends it through a socket, and looks at what came out."""

import platform
import socket
import sys
import threading
from pathlib import Path

import zcio

SOURCE = Path(sys.argv[1])
COPY = Path("smoke-python")

for mechanism in ("auto", "read_write", "mmap_write", "sendfile"):
    with SOURCE.open("rb") as source:
        report = zcio.transfer(source, COPY, mechanism=mechanism)
    assert COPY.read_bytes() == SOURCE.read_bytes(), report
    print(f"Python {platform.python_version()}: {report.bytes} bytes by {report.mechanism}")

left, right = socket.socketpair()
sender = threading.Thread(target=lambda: (zcio.transfer(SOURCE, left), left.close()))
sender.start()
report = zcio.transfer(right, COPY)
sender.join()
assert COPY.read_bytes() == SOURCE.read_bytes(), report
print(f"Python {platform.python_version()}: {report.bytes} bytes from a socket by {report.mechanism}")
