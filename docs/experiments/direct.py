"""O_DIRECT: what it demands, and that it leaves the page cache alone."""

import os
import tempfile

import zcio

with tempfile.NamedTemporaryFile(dir=".") as file:
    file.write(os.urandom(8 << 20))
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    fd = os.open(file.name, os.O_RDONLY | os.O_DIRECT)
    buffer = zcio.AlignedBuffer(1 << 20)
    for what, into, offset in (
        ("aligned memory, offset 0", memoryview(buffer), 0),
        ("memory that begins a byte later", memoryview(buffer)[1 : 1 + 4096], 0),
        ("aligned memory, offset 1", memoryview(buffer), 1),
    ):
        try:
            print(f"{what}: {os.preadv(fd, [into], offset)} bytes")
        except OSError as error:
            print(f"{what}: {error.strerror}")
    os.close(fd)

    moved = zcio.read_direct(file.name, buffer)
    print(f"zcio.read_direct, which asks the file what it demands: {moved} bytes")
    with zcio.Region.open(file.name) as region:
        pages = region.residency()
        print(f"{pages.present} of {pages.total} pages are in the page cache")
