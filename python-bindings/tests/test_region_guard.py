"""What would kill the process: files cut short under arrays, regions closed under them. Each in a child that must live.

1,000 rounds with ZCIO_LARGE=1, 200 otherwise.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROUNDS = 1000 if os.environ.get("ZCIO_LARGE") else 200


def child(program: str, *arguments: object, options: tuple[str, ...] = ()) -> str:
    command = [sys.executable, *options, "-c", textwrap.dedent(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"the child ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


TRUNCATED = """
    import os, sys, threading
    import numpy, zcio

    directory, rounds = sys.argv[1], int(sys.argv[2])
    size = 1 << 20
    caught, wrong = [], []

    def work(number):
        path = f"{directory}/file{number}"
        for turn in range(rounds // 4):
            with open(path, "wb") as file:
                file.write(b"\\x01" * size)
            cutter = threading.Timer(0.001, os.truncate, (path, (turn * 4096 + 100) % size))
            try:
                with zcio.Region.open(path, guard=True) as region:
                    array = numpy.asarray(region)
                    cutter.start()
                    while True:
                        total = int(array.sum(dtype="u8"))
                        region.check()
                        if total > size:
                            wrong.append(total)
            except zcio.FaultedError as error:
                caught.append(error.filename == path)
            cutter.join()
            # The array was still there at the end of the block, so that the region was not closed.
            region.close(strict=False)
            if array.sum() != 0:
                wrong.append("a closed region that is not zeroes")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not wrong, wrong
    assert all(caught)
    print(len(caught))
"""


@pytest.mark.parametrize("options", [(), ("-X", "faulthandler")])
def test_a_file_cut_short_under_numpy_is_an_exception(tmp_path: Path, options: tuple[str, ...]) -> None:
    rounds = 40 if options else ROUNDS
    assert int(child(TRUNCATED, tmp_path, rounds, options=options)) == rounds


def test_without_the_guard_the_process_dies(tmp_path: Path) -> None:
    """So that the test above shows something."""
    program = """
        import os, sys, numpy, zcio
        path = sys.argv[1] + "/file"
        open(path, "wb").write(bytes(1 << 16))
        region = zcio.Region.open(path)
        os.truncate(path, 0)
        numpy.asarray(region).sum()
    """
    with pytest.raises(AssertionError, match="ended with -7"):
        child(program, tmp_path)


def test_the_exception_of_the_block_is_kept_and_noted(tmp_path: Path) -> None:
    program = """
        import os, sys, numpy, zcio
        path = sys.argv[1] + "/file"
        open(path, "wb").write(bytes(1 << 16))
        try:
            with zcio.Region.open(path, guard=True) as region:
                os.truncate(path, 0)
                numpy.asarray(region).sum()
                raise KeyError("mine")
        except KeyError as error:
            assert error.__notes__ == ["the zcio.Region had lost pages"], error.__notes__
        region = zcio.Region.open(path, "c", length=0)
        region.check()
        print("alive")
    """
    assert child(program, tmp_path) == "alive\n"


def test_closing_under_threads_that_use_arrays(tmp_path: Path) -> None:
    program = """
        import sys, threading
        import numpy, pyarrow, zcio
        path, rounds = sys.argv[1] + "/file", int(sys.argv[2])
        size = 1 << 20
        open(path, "wb").write(b"\\x01" * size)
        for turn in range(rounds):
            region = zcio.Region.open(path, ("r", "r+", "c")[turn % 3])
            array, other, view = numpy.asarray(region), pyarrow.py_buffer(region), memoryview(region)
            closing = threading.Thread(target=region.close, kwargs={"strict": False})
            closing.start()
            for _ in range(20):
                assert 0 <= int(array.sum(dtype="u8")) <= size
            closing.join()
            assert int(array.sum()) == 0 and view[size - 1] == 0 and other.to_pybytes() == bytes(size)
            if array.flags.writeable:
                array[:] = 7
                assert view[5] == 7
        assert open(path, "rb").read() == b"\\x01" * size
        print("alive")
    """
    assert child(program, tmp_path, ROUNDS // 4) == "alive\n"


def test_a_signal_that_is_about_something_else_still_ends_the_process(tmp_path: Path) -> None:
    program = """
        import mmap, os, sys, zcio
        path = sys.argv[1] + "/file"
        open(path, "wb").write(bytes(1 << 16))
        region = zcio.Region.open(path, guard=True)
        with open(path, "r+b") as file:
            theirs = mmap.mmap(file.fileno(), 0)
        os.truncate(path, 0)
        theirs[0]
    """
    with pytest.raises(AssertionError, match="ended with -7"):
        child(program, tmp_path)


COPIES = """
    import os, sys
    import zcio

    path = f"{sys.argv[1]}/file"
    size = 5 * 4096
    content = bytes(range(1, 256)) * 81


    def said(guard):
        '''What copies of a file that is cut short say, and what they have copied.'''
        all = []
        for cut in (0, 1, 4095, 4096, 4097, 10000, size - 1):
            with open(path, "wb") as file:
                file.write(content[:size])
            with zcio.Region.open(path, "r+", guard=guard) as region:
                os.truncate(path, cut)
                for at in (0, 1, 4000, 4096, 9000, size - 1):
                    for length in (1, 4096, size - at):
                        into = bytearray(length)
                        for copy in (
                            lambda: region.read(at, length),
                            lambda: region.read_into(into, at),
                            lambda: region.write(b"x" * length, at),
                        ):
                            try:
                                all.append(copy())
                            except zcio.FaultedError as error:
                                all.append((str(error), error.errno, error.filename, error.moved))
                        all.append(bytes(into[:cut]))
                region.check()
        return all


    without = said(False)
    assert said(True) == without
    print(sum(type(one) is tuple for one in without))
"""


def test_checked_copies_say_the_same_with_the_guard(tmp_path: Path) -> None:
    assert int(child(COPIES, tmp_path)) > 100
