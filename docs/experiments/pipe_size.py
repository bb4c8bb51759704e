"""splice(2) goes through a pipe; how large that is decides how many calls it takes."""

import fcntl
import os
import tempfile
import threading

SIZE = 16 << 20


def through(pipe_size: int) -> None:
    with tempfile.TemporaryFile(dir=".") as file:
        file.truncate(SIZE)
        reader, writer = os.pipe()
        far_reader, far_writer = os.pipe()
        room = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, pipe_size)
        fcntl.fcntl(far_writer, fcntl.F_SETPIPE_SZ, pipe_size)
        drain = threading.Thread(
            target=lambda: [None for _ in iter(lambda: os.read(far_reader, room), b"")]
        )
        drain.start()
        calls = moved = 0
        while moved < SIZE:
            waiting = os.splice(file.fileno(), writer, room, offset_src=moved)
            calls += 1
            moved += waiting
            while waiting:
                waiting -= os.splice(reader, far_writer, waiting)
                calls += 1
        os.close(far_writer)
        drain.join()
        for fd in reader, writer, far_reader:
            os.close(fd)
    print(f"a pipe of {room >> 10} KiB: {moved >> 20} MiB in {calls} calls of splice")


through(64 << 10)
through(1 << 20)
