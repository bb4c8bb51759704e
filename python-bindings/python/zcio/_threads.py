"""What ``zcio.aio`` lets a worker thread do as a whole: copies, batches and reads.

A task that is cancelled stops them within some 0.1 s, and waits until they have stopped.
"""

import os
from collections.abc import Callable, Iterable
from typing import Literal

from zcio import _zcio
from zcio._loops import library
from zcio._reports import BatchReport, CopyReport, ReadsReport
from zcio._streams import plain
from zcio._types import BatchItem, Buffer, HasFileno, Path, ReadItem, Visibility


async def copy(
    src: Path,
    dst: Path,
    *,
    reflink: Literal["auto", "always", "never"] = "auto",
    preserve_mode: bool = False,
    preserve_times: bool = False,
    create_new: bool = False,
    replace: bool = False,
    fsync: bool = False,
    progress: Callable[[int], object] | None = None,
) -> CopyReport:
    """As ``zcio.copy``, in a worker thread, where progress is called too. Cancelled before it is done, it leaves no new
    dst behind."""

    def work(check: Callable[[], None]) -> CopyReport:
        def told(moved: int) -> None:
            check()
            if progress is not None:
                progress(moved)

        return _zcio.copy(
            src,
            dst,
            reflink=reflink,
            preserve_mode=preserve_mode,
            preserve_times=preserve_times,
            create_new=create_new,
            replace=replace,
            fsync=fsync,
            progress=told,
        )

    return await library().in_thread_until_cancelled(work)


async def batch(items: Iterable[BatchItem], *, visibility: Visibility = "aliased") -> BatchReport:
    """As ``zcio.batch``, in a worker thread. The ends are what they are when this is awaited."""
    prepared = _zcio.PreparedBatch(((*map(plain, item[:2]), *item[2:]) for item in items), visibility)
    return await library().in_thread_until_cancelled(prepared.run)


async def read_direct(
    file: int | HasFileno | str | bytes | os.PathLike[str] | os.PathLike[bytes],
    into: Buffer,
    *,
    offset: int = 0,
    length: int | None = None,
) -> int:
    """As ``zcio.read_direct``, in a worker thread. Cancelled, it waits for the disk, which writes into the buffer."""
    return await library().in_thread(lambda: _zcio.read_direct(file, into, offset=offset, length=length))


async def reads(items: Iterable[ReadItem], *, depth: int = 32) -> ReadsReport:
    """As ``zcio.reads``, in a worker thread. The ends are what they are when this is awaited."""
    prepared = _zcio.PreparedReads(items, depth)
    return await library().in_thread_until_cancelled(prepared.run)
