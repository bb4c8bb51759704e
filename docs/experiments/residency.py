"""What of a file is in memory, and what read-ahead adds."""

import os
import tempfile

import zcio

SIZE = 32 << 20


def show(when: str, region: zcio.Region) -> None:
    pages = region.residency()
    print(
        f"{when}: {pages.present * pages.page_size >> 10} of {SIZE >> 10} KiB in memory"
    )


with tempfile.NamedTemporaryFile(dir=".") as file:
    file.write(os.urandom(SIZE))
    os.fsync(file.fileno())
    with zcio.Region.open(file.name) as region:
        show("after it was written", region)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        show("after it was evicted", region)
        os.pread(file.fileno(), 1, 0)
        show("after one byte was read", region)
        region.read(SIZE // 2, 1)
        show("after one byte of a mapping was read", region)
