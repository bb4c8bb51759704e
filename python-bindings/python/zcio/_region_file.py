"""A region as a binary file, for whoever takes nothing else."""

import errno
import io
import os

from typing_extensions import Buffer

from zcio._zcio import Region


def region_file(region: Region) -> io.BufferedReader | io.BufferedRandom:
    """What ``Region.file()`` gives back."""
    raw = _RegionFile(region)
    return io.BufferedRandom(raw) if raw.writable() else io.BufferedReader(raw)


class _RegionFile(io.RawIOBase):
    """Copies out of the region and into it, at a position of its own."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._position = 0
        # As an open file has it: only now, because a closed region has none.
        self._writable = region.mode != "r"

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return self._writable

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        self._region.check()
        if self._position >= len(self._region):
            return 0
        count = self._region.read_into(buffer, self._position)
        self._position += count
        return count

    def write(self, data: Buffer, /) -> int:
        self._region.check()
        if self._position >= len(self._region) and memoryview(data).nbytes:
            raise OSError(errno.ENOSPC, "a region does not grow")
        count = self._region.write(data, self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._region)}
        if whence not in starts:
            raise ValueError(f"unknown whence {whence}; it is 0, 1 or 2")
        self._region.check()
        position = starts[whence] + offset
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = position
        return position
