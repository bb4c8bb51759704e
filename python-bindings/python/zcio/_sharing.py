"""How a SharedRegion goes to another process: by its descriptor, never by its bytes.

multiprocessing's own pickler has a way for descriptors, which works across users and keeps the memory until it has
arrived. Every other pickle says where the descriptor is: in which process, with which number, and of which memory.
That names the memory for whoever may look into the sender (/proc/PID/fd), and for nobody else.

Imported when the first SharedRegion is made.
"""

import errno
import os
from multiprocessing import reduction
from pathlib import Path
from typing import Any, TypeAlias

from zcio._zcio import SharedRegion

Place: TypeAlias = tuple[int, int, int, int]
"""Process, number, and the device and inode of the memory."""


def rebuild_region(descriptor: Any, place: Place) -> SharedRegion:
    """In the process that receives it, from multiprocessing."""
    try:
        fd = descriptor.detach()
    except (OSError, EOFError) as error:
        raise _gone(place) from error
    return SharedRegion.from_fd(fd)


def open_region(*place: int) -> SharedRegion:
    """In any process that may look into the sender."""
    process, number, *memory = place
    try:
        found = os.open(f"/proc/{process}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
    except PermissionError as error:
        text = (
            f"this process may not look into process {process}, which sent the shared memory; use SharedRegion.send()"
        )
        raise PermissionError(error.errno, text) from error
    except (FileNotFoundError, ProcessLookupError) as error:
        if Path("/proc/self").exists():
            raise _gone(place) from error
        text = "there is no /proc here, by which the shared memory would be found; use SharedRegion.send()"
        raise FileNotFoundError(error.errno, text) from error
    try:
        # By now the number may be that of another file, and opening one is not free of consequences.
        stat = os.fstat(found)
        if [stat.st_dev, stat.st_ino] != memory:
            raise _gone(place)
        fd = os.open(f"/proc/thread-self/fd/{found}", os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.close(found)
    return SharedRegion.from_fd(fd)


def reduce_region(region: SharedRegion) -> tuple[Any, tuple[Any, Place]]:
    """In the process that sends it. The descriptor is that of the region, which must live until it has arrived."""
    return rebuild_region, (reduction.DupFd(region.fileno()), _place(region))


def reduce_for_anyone(region: SharedRegion) -> tuple[Any, Place]:
    """The same, for any other pickler."""
    return open_region, _place(region)


def _place(region: SharedRegion) -> Place:
    number = region.fileno()
    stat = os.fstat(number)
    return os.getpid(), number, stat.st_dev, stat.st_ino


def _gone(place: tuple[int, ...]) -> FileNotFoundError:
    return FileNotFoundError(
        errno.ENOENT,
        f"the shared memory is not there any more: process {place[0]}, which sent it, has ended or has closed it "
        "before it arrived; it is kept by whoever has it open",
    )


reduction.ForkingPickler.register(SharedRegion, reduce_region)
