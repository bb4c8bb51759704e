"""The names of zcio's types, for annotations."""

import os
import sys
from typing import Literal, Protocol, TypeAlias

from zcio._names import Advice as Advice
from zcio._names import Mechanism as Mechanism
from zcio._names import Seal as Seal
from zcio._names import Visibility as Visibility

RegionMode: TypeAlias = Literal["r", "r+", "w+", "c"]
"""How a Region is mapped: to read; to read and write; as a new file; as a private copy."""

Protection: TypeAlias = Literal["none", "r", "rw"]
"""What may be done with a page of a Region."""


class HasFileno(Protocol):
    """A binary file, a socket, a pipe: an object whose bytes are those of its descriptor.

    What looks like that and has other bytes (text, gzip, TLS, a response, the socket of an asyncio transport) is a
    TypeError. A blocking TLS socket for which the kernel encrypts (``ssl.OP_ENABLE_KTLS``) may be sent to.
    """

    def fileno(self) -> int: ...


if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:

    class Buffer(Protocol):
        """An object with the buffer protocol (PEP 688)."""

        def __buffer__(self, flags: int, /) -> memoryview: ...


End: TypeAlias = int | HasFileno | str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""One end of a transfer: a file descriptor, a file, socket or pipe object, or a path."""

Source: TypeAlias = End | Buffer
"""Where a transfer's bytes come from: an end, or memory (a memoryview, a bytearray, an array); bytes are a path."""

Sink: TypeAlias = End | Buffer
"""Where a transfer's bytes go to: an end, or memory that may be written (a bytearray, an array, a Region)."""

Socket: TypeAlias = int | HasFileno
"""A connected stream socket, or its descriptor."""

Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""The path of a file."""

BatchItem: TypeAlias = tuple[End, End] | tuple[End, End, int | None] | tuple[End, End, int | None, int | None]
"""One transfer of a batch: src, dst, offset, count."""

ReadItem: TypeAlias = tuple[int | HasFileno, int, Buffer]
"""One of many reads: the file, the offset of its first byte in it, the buffer it goes to."""
