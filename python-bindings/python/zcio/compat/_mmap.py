"""The class ``mmap`` of ``zcio.compat.mmap``: the methods of the original, in the order and with the words of its
``Modules/mmapmodule.c``, over a Region. Nothing here touches memory: the Region's checked copies do.
"""

import errno
import mmap as original
import operator
import os
import stat
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, SupportsIndex, overload

from zcio._zcio import ADVICE, BufferExporter, Region
from zcio.compat import _flags

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from zcio._types import Advice, Protection, RegionMode

READ_WRITE = original.PROT_READ | original.PROT_WRITE
PROTECTIONS: "dict[int, Protection]" = {0: "none", original.PROT_READ: "r"}
ADVICE_OF: "dict[int, Advice]" = {
    getattr(original, constant): name
    for name in ADVICE
    if hasattr(original, constant := "MADV_" + name.upper().replace("_", ""))
}
ACCESSES = ("ACCESS_DEFAULT", "ACCESS_READ", "ACCESS_WRITE", "ACCESS_COPY")
CHUNK = 1 << 20


class mmap(BufferExporter):  # noqa: N801
    """A mapped file as an object that behaves like both a bytearray and a file. See ``mmap.mmap``."""

    _region: Region
    _position: int
    _access: int
    _offset: int
    _fd: int  # The region's own descriptor, or -1.
    _anonymous: bool

    def __new__(
        cls,
        fileno: int,
        length: int,
        flags: int = original.MAP_SHARED,
        prot: int = READ_WRITE,
        access: int = original.ACCESS_DEFAULT,
        offset: int = 0,
        *,
        trackfd: bool = True,
    ) -> Self:
        if _ssize(length) < 0:
            raise OverflowError("memory mapped length must be positive")
        if _ssize(offset) < 0:
            raise OverflowError("memory mapped offset must be positive")
        flags, prot, access = _rights(flags, prot, access)
        sys.audit("mmap.__new__", fileno, length, access, offset)
        fd = -1
        if fileno != -1:
            length = _length_in(fileno, length, offset)
        anonymous = fileno == -1 or bool(flags & original.MAP_ANONYMOUS)
        private = _flags.check(flags, anonymous)
        if anonymous:
            region = _anonymous(length, flags, private)
        else:
            mode: RegionMode = "c" if private else "r+" if prot & original.PROT_WRITE else "r"
            if trackfd:
                fd = os.dup(fileno)
            region = Region.open(
                fd if trackfd else fileno,
                mode,
                offset=offset,
                length=length,
                reserve=_flags.reserve(flags) if private else None,
                guard=True,
                closefd=trackfd,
            )
        if prot & READ_WRITE in PROTECTIONS:
            region.protect(PROTECTIONS[prot & READ_WRITE])
        copied = private and bool(prot & original.PROT_WRITE)
        _flags.follow(region, flags, readable=bool(prot & READ_WRITE), copied=copied)
        self = super().__new__(cls, region)
        self._region, self._fd, self._anonymous = region, fd, fileno == -1 and trackfd
        self._position, self._access, self._offset = 0, access, offset
        return self

    def _open(self) -> Region:
        if self._region.closed:
            raise ValueError("mmap closed or invalid")
        return self._region

    def _writable(self) -> Region:
        region = self._open()
        if self._access == original.ACCESS_READ:
            raise TypeError("mmap can't modify a readonly memory map.")
        return region

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._region.closed

    def close(self) -> None:
        """Closes it. BufferError while views exist, as for every mmap."""
        try:
            self._region.close(strict=True)
        except BufferError:
            raise BufferError("cannot close exported pointers exist") from None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        raise TypeError("cannot pickle 'mmap.mmap' object")

    def __len__(self) -> int:
        return len(self._open())

    def __repr__(self) -> str:
        if self.closed:
            return "<mmap.mmap closed=True>"
        access = next(name for name in ACCESSES if getattr(original, name) == self._access)
        return (
            f"<mmap.mmap closed=False, access={access}, length={len(self)}, pos={self._position}, "
            f"offset={self._offset}>"
        )

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> int | bytes:
        size = len(self)
        if isinstance(key, slice):
            span = range(*key.indices(size))
            region = self._open()
            if not span:
                return b""
            low, high = min(span[0], span[-1]), max(span[0], span[-1])
            return region.read(low, high + 1 - low)[:: span.step]
        place = _index(key, "mmap indices must be integers")
        return self._open().read(_place(place, size), 1)[0]

    @overload
    def __setitem__(self, key: SupportsIndex, value: int, /) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: "Buffer", /) -> None: ...
    def __setitem__(self, key: SupportsIndex | slice, value: Any, /) -> None:
        size = len(self)
        self._writable()
        if isinstance(key, slice):
            span = range(*key.indices(size))
            data = memoryview(value).cast("B")
            region = self._open()
            if len(data) != len(span):
                raise IndexError("mmap slice assignment is wrong size")
            if span.step == 1:
                region[span.start : span.stop] = data
            else:
                memoryview(region)[key] = data
            return
        place = _place(_index(key, "mmap indices must be integers"), size)
        byte = _index(value, "mmap item value must be an int")
        if not 0 <= byte <= 255:
            raise ValueError("mmap item value must be in range(0, 256)")
        self._open()[place] = byte

    def __delitem__(self, key: object, /) -> None:
        raise TypeError("mmap object doesn't support item deletion")

    def __iter__(self) -> Iterator[bytes]:
        """Bytes of length one, as the original gives them."""
        place = 0
        while chunk := self._open().read(place, CHUNK):
            yield from (chunk[index : index + 1] for index in range(len(chunk)))
            place += len(chunk)

    def read(self, n: SupportsIndex | None = None, /) -> bytes:
        """The next n bytes, or all that are left."""
        count = -1 if n is None else _ssize(n)
        region = self._open()
        left = max(len(region) - self._position, 0)
        count = left if count < 0 else min(count, left)
        data = region.read(self._position, count) if count else b""
        self._position += len(data)
        return data

    def read_byte(self) -> int:
        """The next byte."""
        if self._position >= len(self):
            raise ValueError("read byte out of range")
        return self.read(1)[0]

    def readline(self) -> bytes:
        """The bytes up to the next newline, and with it."""
        found = self._search(b"\n", self._position, len(self), last=False)
        return self.read(None if found < 0 else found + 1 - self._position)

    def write(self, data: "Buffer", /) -> int:
        """Writes at the current position; ValueError if there is not room for all of it."""
        view = memoryview(data)
        region = self._writable()
        if len(region) - self._position < view.nbytes:
            raise ValueError("data out of range")
        count = region.write(view, self._position) if view.nbytes else 0
        self._position += count
        return count

    def write_byte(self, byte: SupportsIndex, /) -> None:
        """Writes one byte at the current position."""
        value = operator.index(byte)
        if not 0 <= value <= 255:
            raise OverflowError("unsigned byte integer is out of range")
        region = self._writable()
        if self._position >= len(region):
            raise ValueError("write byte out of range")
        self._position += region.write(bytes((value,)), self._position)

    def seek(self, dist: SupportsIndex, whence: int = os.SEEK_SET, /) -> int:
        """Sets the position, and gives it back."""
        distance = _ssize(dist)
        size = len(self)
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}
        if whence not in bases:
            raise ValueError("unknown seek type")
        if not 0 <= (position := bases[whence] + distance) <= size:
            raise ValueError("seek out of range")
        self._position = position
        return position

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position."""
        self._open()
        return self._position

    def size(self) -> int:
        """The length of the file."""
        self._open()
        return os.fstat(self._fd).st_size

    def find(self, view: "Buffer", start: SupportsIndex | None = None, end: SupportsIndex | None = None, /) -> int:
        """Where the bytes first occur, or -1."""
        return self._find(view, start, end, last=False)

    def rfind(self, view: "Buffer", start: SupportsIndex | None = None, end: SupportsIndex | None = None, /) -> int:
        """Where the bytes last occur, or -1."""
        return self._find(view, start, end, last=True)

    def _find(self, view: "Buffer", start: SupportsIndex | None, end: SupportsIndex | None, *, last: bool) -> int:
        wanted = bytes(memoryview(view))
        size = len(self)
        first = self._position if start is None else _ssize(start)
        behind = size if end is None else _ssize(end)
        self._open()
        first, behind, _ = slice(first, behind).indices(size)
        if not wanted:
            return -1 if first > behind else behind if last else first
        return self._search(wanted, first, behind, last=last)

    def _search(self, wanted: bytes, first: int, behind: int, *, last: bool) -> int:
        """In pieces that overlap by less than what is looked for."""
        region, overlap = self._open(), len(wanted) - 1
        places = range(first, behind - overlap, CHUNK)
        for place in reversed(places) if last else places:
            piece = region.read(place, min(CHUNK + overlap, behind - place))
            found = piece.rfind(wanted) if last else piece.find(wanted)
            if found >= 0:
                return place + found
        return -1

    def move(self, dest: SupportsIndex, src: SupportsIndex, count: SupportsIndex, /) -> None:
        """Copies count bytes from src to dest, which may overlap."""
        to, source, length = _ssize(dest), _ssize(src), _ssize(count)
        region = self._writable()
        if to < 0 or source < 0 or length < 0 or len(region) - max(to, source) < length:
            raise ValueError("source, destination, or count out of range")
        region[to : to + length] = region.read(source, length)

    def flush(self, offset: SupportsIndex = 0, size: SupportsIndex | None = None, /) -> None:
        """Writes changes back to the file, and waits for the disk."""
        start = _ssize(offset)
        length = None if size is None else _ssize(size)
        region = self._open()
        length = len(region) - start if length is None else length
        if start < 0 or length < 0 or start + length > len(region):
            raise ValueError("flush values out of range")
        if self._access in (original.ACCESS_READ, original.ACCESS_COPY):
            return
        if start % original.PAGESIZE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        region.flush(start, length)

    def resize(self, newsize: SupportsIndex, /) -> None:
        """Makes it, and its file, longer or shorter. A file that is longer than a map that grows stays so."""
        size = _ssize(newsize)
        region = self._open()
        if self._access not in (original.ACCESS_DEFAULT, original.ACCESS_WRITE):
            raise TypeError("mmap can't resize a readonly or copy-on-write memory map.")
        if size < 0 or sys.maxsize - size < self._offset:
            raise ValueError("new size out of range")
        if size == 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        # The memfd of what is shared is not kept.
        if self._fd < 0 and not (self._anonymous and (region.mode == "c" or size <= len(region))):
            raise ValueError("mmap can't resize without its file")
        try:
            region.resize(size, truncate=self._fd >= 0)
        except BufferError:
            raise BufferError("mmap can't resize with extant pointers exported.") from None

    def madvise(self, option: int, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> None:
        """Tells the kernel how a range will be used."""
        place = _ssize(start)
        count = None if length is None else _ssize(length)
        region = self._open()
        if not 0 <= place < len(region):
            raise ValueError("madvise start out of bounds")
        count = len(region) - place if count is None else count
        if count < 0:
            raise ValueError("madvise length invalid")
        if sys.maxsize - place < count:
            raise OverflowError("madvise length too large")
        if option not in ADVICE_OF or place % original.PAGESIZE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        region.advise(ADVICE_OF[option], place, min(count, len(region) - place))


def _rights(flags: int, prot: int, access: int) -> tuple[int, int, int]:
    """The three ways to say it, made to agree."""
    if access != original.ACCESS_DEFAULT:
        if flags != original.MAP_SHARED or prot != READ_WRITE:
            raise ValueError("mmap can't specify both access, flags/prot.")
        if access == original.ACCESS_READ:
            prot = original.PROT_READ
        elif access == original.ACCESS_COPY:
            flags = original.MAP_PRIVATE
        elif access != original.ACCESS_WRITE:
            raise ValueError("mmap invalid access parameter.")
    elif prot & READ_WRITE != READ_WRITE:
        access = original.ACCESS_WRITE if prot & original.PROT_WRITE else original.ACCESS_READ
    if prot & original.PROT_EXEC:
        raise PermissionError(errno.EPERM, "zcio maps data, never programs: no PROT_EXEC")
    return flags, prot, access


def _length_in(fileno: int, length: int, offset: int) -> int:
    """The length to map, checked against the file."""
    status = os.fstat(fileno)
    if not stat.S_ISREG(status.st_mode):
        return length
    if length == 0:
        if status.st_size == 0:
            raise ValueError("cannot mmap an empty file")
        if offset >= status.st_size:
            raise ValueError("mmap offset is greater than file size")
        return status.st_size - offset
    if offset > status.st_size or status.st_size - offset < length:
        raise ValueError("mmap length is greater than file size")
    return length


def _anonymous(length: int, flags: int, private: bool) -> Region:
    """Memory of no file. Shared, it is a memfd's, which children made by fork share, too."""
    huge = _flags.huge_page(flags)
    if length == 0 or (huge and length % huge):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if private:
        return Region.anonymous(length, huge_pages=huge, reserve=_flags.reserve(flags))
    fd = os.memfd_create("mmap", _flags.memfd(flags))
    try:
        os.ftruncate(fd, length)
        return Region.open(fd, "r+", guard=True)
    finally:
        os.close(fd)


def _ssize(value: SupportsIndex) -> int:
    number = operator.index(value)
    if not -sys.maxsize - 1 <= number <= sys.maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return number


def _index(value: SupportsIndex, message: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(message) from None


def _place(place: int, size: int) -> int:
    if not 0 <= (place + size if place < 0 else place) < size:
        raise IndexError("mmap index out of range")
    return place + size if place < 0 else place
