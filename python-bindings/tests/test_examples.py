"""The programs in examples/python that need no receiver from elsewhere, run as they stand."""

import socket
import subprocess
import sys
from pathlib import Path

from support import REPOSITORY, content, read_all

EXAMPLES = REPOSITORY / "examples" / "python"


def test_copy_file(tmp_path: Path) -> None:
    data = content(3_000_000)
    (tmp_path / "from").write_bytes(data)
    (tmp_path / "to").write_bytes(b"old")
    command: list[str | Path] = [sys.executable, EXAMPLES / "copy_file.py", tmp_path / "from", tmp_path / "to"]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert (tmp_path / "to").read_bytes() == data
    assert result.stdout.startswith("\n3000000 bytes ")


def test_serve_files(tmp_path: Path) -> None:
    data = content(3_000_000)
    (tmp_path / "file").write_bytes(data)
    command: list[str | Path] = [sys.executable, EXAMPLES / "serve_files.py", tmp_path, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            for name, expected in [("file", data), ("none", b"")]:
                with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                    connection.sendall(f"{name}\n".encode())
                    connection.setblocking(True)
                    assert read_all(connection.fileno()) == expected
            assert process.stdout.readline() == "file: 3000000 bytes\n"
            assert "FileNotFoundTransferError" in process.stdout.readline()
        finally:
            process.kill()
