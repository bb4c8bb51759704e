"""The names of zcio's types, for annotations. The lists are the core's; a test compares them."""

import os
from typing import Literal, Protocol, TypeAlias

Mechanism: TypeAlias = Literal[
    "read_write",
    "mmap_write",
    "sendfile",
    "splice",
    "copy_file_range",
    "vmsplice",
    "zerocopy_send",
    "direct_io",
    "reflink",
    "uring",
]
"""One way the kernel can move bytes."""

Visibility: TypeAlias = Literal["aliased", "snapshot"]
"""Whether later changes to the source may show in bytes that are still on their way."""


class HasFileno(Protocol):
    """A binary file, a socket, a pipe: anything with a descriptor."""

    def fileno(self) -> int: ...


End: TypeAlias = int | HasFileno | str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""One end of a transfer: a file descriptor, an object that has one, or a path."""
