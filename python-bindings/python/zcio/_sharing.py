"""How a SharedRegion goes to another process through multiprocessing: as a connection or a socket does, by descriptor.

Imported when the first SharedRegion is made. Registered with multiprocessing's own pickler only: to plain pickle, which
writes bytes that may be read anywhere and at any time, shared memory means nothing.
"""

from multiprocessing import reduction
from typing import Any

from zcio._zcio import SharedRegion


def rebuild_region(descriptor: Any) -> SharedRegion:
    """In the process that receives it."""
    return SharedRegion.from_fd(descriptor.detach())


def reduce_region(region: SharedRegion) -> tuple[Any, tuple[Any]]:
    """In the process that sends it. The descriptor is that of the region, which must live until it has arrived."""
    return rebuild_region, (reduction.DupFd(region.fileno()),)


reduction.ForkingPickler.register(SharedRegion, reduce_region)
