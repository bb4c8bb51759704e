"""Which interrupts come while a cold file is read; all of the machine's are counted."""

import os
import tempfile
from pathlib import Path


def interrupts() -> dict[str, int]:
    counts = {}
    for line in Path("/proc/interrupts").read_text().splitlines()[1:]:
        name, *rest = line.split()
        numbers = [int(part) for part in rest if part.isdigit()]
        text = " ".join(part for part in rest if not part.isdigit())
        counts[f"{name} {text}"] = sum(numbers)
    return counts


with tempfile.TemporaryFile(dir=".") as file:
    file.write(os.urandom(64 << 20))
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = interrupts()
    file.seek(0)
    while file.read(1 << 20):
        pass
    grown = {name: count - before.get(name, 0) for name, count in interrupts().items()}

print("64 MiB read; the interrupts that came most:")
for name, count in sorted(grown.items(), key=lambda item: -item[1])[:4]:
    print(f"{count:>8}  {name}")
