"""The flags of mmap(2) for ``zcio.compat.mmap``: each is honoured, is one that the kernel ignores too, or is refused
with the errno that the kernel gives where it cannot do it. The numbers are Linux's own: most have no name in Python.
"""

import contextlib
import errno
import os
import re
from pathlib import Path

from zcio._zcio import Region

# What means nothing to the kernel (MAP_DENYWRITE, MAP_EXECUTABLE, MAP_STACK, bits it does not know) means nothing here.
SHARED, PRIVATE, SHARED_VALIDATE, KINDS = 1, 2, 3, 0xF
FIXED, ANONYMOUS, BITS_32, GROWSDOWN = 0x10, 0x20, 0x40, 0x100
LOCKED, NORESERVE, POPULATE, NONBLOCK, HUGETLB = 0x2000, 0x4000, 0x8000, 0x10000, 0x40000
SYNC, FIXED_NOREPLACE = 0x80000, 0x100000
HUGE_SHIFT, HUGE_MASK = 26, 0x3F
MFD_HUGETLB = 4
# Those that MAP_SHARED_VALIDATE accepts.
VALIDATED = 0x7F9C3 | FIXED | ANONYMOUS | HUGE_MASK << HUGE_SHIFT

REFUSED = {
    FIXED: errno.EPERM,  # There is no address to fix it at, and 0 is below vm.mmap_min_addr.
    FIXED_NOREPLACE: errno.EPERM,
    GROWSDOWN: errno.EINVAL,
    BITS_32: errno.ENOMEM if os.uname().machine == "x86_64" else 0,
}


def check(flags: int, anonymous: bool) -> bool:
    """Whether it is a private mapping; OSError for what cannot be done."""
    kind = flags & KINDS
    if kind == SHARED_VALIDATE and not anonymous:
        _raise(0 if flags & ~VALIDATED == 0 else errno.EOPNOTSUPP)
    elif kind not in (SHARED, PRIVATE):
        _raise(errno.EINVAL)
    for flag, refusal in REFUSED.items():
        _raise(refusal if flags & flag else 0)
    if not anonymous:
        # A file's pages have the size its file system gives them, and are not those of the device (DAX).
        _raise(errno.EINVAL if flags & HUGETLB else errno.EOPNOTSUPP if flags & SYNC else 0)
    return kind == PRIVATE


def huge_page(flags: int) -> int | None:
    """The size of its pages in bytes, if they are huge ones."""
    if not flags & HUGETLB:
        return None
    if shift := flags >> HUGE_SHIFT & HUGE_MASK:
        return 1 << shift
    found = re.search(r"^Hugepagesize: *(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return int(found.group(1)) << 10


def reserve(flags: int) -> bool | None:
    """As Region has it, for private mappings: shared ones are not counted in any case."""
    return False if flags & NORESERVE else None


def memfd(flags: int) -> int:
    """The flags of memfd_create(2) for shared memory of no file."""
    if not flags & HUGETLB:
        return os.MFD_CLOEXEC
    return os.MFD_CLOEXEC | MFD_HUGETLB | (flags & HUGE_MASK << HUGE_SHIFT)


def follow(region: Region, flags: int, *, readable: bool, copied: bool) -> None:
    """Does what the flags ask for once it is mapped. As in the kernel, a page that cannot be brought in is no error."""
    if flags & LOCKED:
        try:
            region.lock(on_fault=True)
        except OSError as error:
            # Of mlock(2), where mmap(2) says it otherwise.
            _raise(errno.EAGAIN if error.errno == errno.ENOMEM else error.errno or errno.EAGAIN)
    if readable and (flags & LOCKED or flags & (POPULATE | NONBLOCK) == POPULATE):
        with contextlib.suppress(OSError):
            region.populate(write=copied)


def _raise(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))
