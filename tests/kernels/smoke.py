"""Python on this kernel: a file to a socket, to another file, and to memory that two names share; compared by content."""

import socket
import sys
import threading
from pathlib import Path

import zcio

folder = Path(sys.argv[1])
data = bytes(range(251)) * 4001
source, target = folder / "python-source", folder / "python-target"
source.write_bytes(data)

near, far = socket.socketpair()
received = bytearray()


def drain() -> None:
    while piece := far.recv(1 << 16):
        received.extend(piece)


reader = threading.Thread(target=drain, daemon=True)
reader.start()
report = zcio.transfer(source, near)
near.close()
reader.join()
assert (report.bytes, bytes(received)) == (len(data), data), report
print(report)

report = zcio.transfer(source, target)
assert target.read_bytes() == data, report
print(report)

with zcio.Region.open(source) as region:
    assert bytes(memoryview(region)) == data
