"""A peer that goes in the midst of a short transfer: the file object stands behind what was sent."""

import socket
import threading
from pathlib import Path

import pytest
import zcio

START = 77
SIZE = 400_000
ROUNDS = 2000


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long"
    path.write_bytes(bytes(SIZE))
    return path


@pytest.mark.parametrize("buffering", [-1, 0], ids=["buffered", "raw"])
def test_position_after_an_error_in_the_midst(long_file: Path, buffering: int) -> None:
    seen = 0
    with long_file.open("rb", buffering) as file:
        for _ in range(ROUNDS):
            file.seek(START)
            near, far = socket.socketpair()
            near.setblocking(False)

            def leave(peer: socket.socket = far) -> None:
                peer.recv(1)
                peer.close()

            peer = threading.Thread(target=leave)
            peer.start()
            moved = SIZE - START
            try:
                zcio.transfer(file, near, count=SIZE)
            except zcio.TransferError as error:
                moved = error.moved
                seen += moved > 0
            peer.join()
            near.close()
            assert file.tell() == START + moved
            if seen >= 20:
                break
