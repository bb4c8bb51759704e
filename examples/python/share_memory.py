"""Memory that a process in another language sends is read in place, and a region of the same size goes back:

    python share_memory.py SOCKET            connects to where another of these listens
    python share_memory.py SOCKET --listen   is the first side: makes a region, sends it, takes what comes back, from
                                             another of these or from ShareArrow.java

Both sides find an Arrow table (Arrow's file format) at the start of the region, and behind it, up to the last eight
bytes, bytes that their place gives away: (i * 31 + i // 4096) mod 251 at place i, and 255 less that on the way back.
The last eight are the length of the Arrow file, little-endian; it is 0 if there is none.
"""

import argparse
import socket
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zcio

try:
    import pyarrow as pa
except ImportError:
    pa = None

STEP = 1 << 24
ROWS = 1_000_000
BLOCK = 4096
# The 251 blocks there are, by their first byte.
BLOCKS = ((np.arange(BLOCK) * 31 + np.arange(251)[:, None]) % 251).astype(np.uint8)


def pattern(start: int, stop: int, *, back: bool) -> npt.NDArray[np.uint8]:
    """The bytes that belong to these places."""
    first, behind = start // BLOCK, -(-stop // BLOCK)
    blocks = BLOCKS[np.arange(first, behind) * (BLOCK * 31 + 1) % 251]
    bytes_ = blocks.reshape(-1)[start - first * BLOCK : stop - first * BLOCK]
    return 255 - bytes_ if back else bytes_


def fill(region: zcio.SharedRegion, *, back: bool) -> None:
    """Writes the table, the bytes behind it, and the table's length, all of it in place."""
    array = np.asarray(region)
    length = write_table(region, back=back)
    for start in range(length, len(region) - 8, STEP):
        stop = min(start + STEP, len(region) - 8)
        array[start:stop] = pattern(start, stop, back=back)
    array[-8:] = np.frombuffer(length.to_bytes(8, "little"), np.uint8)


def check(region: zcio.SharedRegion, *, back: bool) -> int:
    """Reads all of it in place; gives back the rows of the table."""
    array = np.asarray(region)
    length = int.from_bytes(array[-8:].tobytes(), "little")
    for start in range(length, len(region) - 8, STEP):
        stop = min(start + STEP, len(region) - 8)
        if not np.array_equal(array[start:stop], pattern(start, stop, back=back)):
            sys.exit(f"wrong bytes between {start} and {stop}")
    return read_table(region, length, back=back) if length else 0


def write_table(region: zcio.SharedRegion, *, back: bool) -> int:
    """An Arrow file of two columns at the region's start; gives back its length."""
    if pa is None or len(region) < 64 * ROWS:
        return 0
    number = np.arange(ROWS, dtype=np.int64)
    table = pa.table({"number": number, "square": -number * number if back else number * number})
    sink = pa.FixedSizeBufferWriter(pa.py_buffer(region))
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return int(sink.tell())


def read_table(region: zcio.SharedRegion, length: int, *, back: bool) -> int:
    """Looks at the table without a copy: its columns lie in the region."""
    if pa is None:
        return 0
    start = np.asarray(region).ctypes.data
    table = pa.ipc.open_file(pa.py_buffer(region).slice(0, length)).read_all()
    for column in table.columns:
        for chunk in column.chunks:
            if not start <= chunk.buffers()[1].address < start + len(region):
                sys.exit("the table was copied")
    number = table["number"].to_numpy()
    if not np.array_equal(table["square"].to_numpy(), -number * number if back else number * number):
        sys.exit("the table is wrong")
    return int(table.num_rows)


def receive(peer: socket.socket) -> zcio.SharedRegion:
    """Takes a region of which nobody can change the length or, from now on, the bytes."""
    region = zcio.SharedRegion.receive(peer, seals=["shrink", "grow", "write"])
    peer.sendall(b"!")  # For the other side's clock.
    return region


def send(peer: socket.socket, size: int, *, back: bool) -> None:
    """Makes a region, fills it, and hands it over."""
    with zcio.SharedRegion.create(size) as region:
        fill(region, back=back)
        region.seal("grow", "write")
        start = time.perf_counter()
        region.send(peer)
        if peer.recv(1) != b"!":
            sys.exit("the other side did not take it")
        print(f"handed over {size} bytes in {(time.perf_counter() - start) * 1000:.3f} ms")


def main() -> None:
    """Runs one side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", type=Path)
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--size", type=int, default=1 << 30)
    arguments = parser.parse_args()
    with socket.socket(socket.AF_UNIX) as own:
        if arguments.listen:
            own.bind(str(arguments.socket))
            own.listen()
            print("listening", flush=True)
            peer, _ = own.accept()
            with peer:
                send(peer, arguments.size, back=False)
                with receive(peer) as region:
                    print(f"received {len(region)} bytes, {check(region, back=True)} rows, as they should be")
        else:
            own.connect(str(arguments.socket))
            with receive(own) as region:
                print(f"received {len(region)} bytes, {check(region, back=False)} rows, as they should be")
                size = len(region)
            send(own, size, back=True)


if __name__ == "__main__":
    main()
