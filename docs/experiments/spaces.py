"""Where user space ends, and what happens to a process that reads beyond it."""

import ctypes
import os
import signal
from pathlib import Path

KERNEL = 0xFFFF_8880_0000_0000  # On x86-64 and aarch64 in the kernel's half.

areas = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
last = next(area for area in reversed(areas) if area[-1] != "[vsyscall]")
end = int(last[0].split("-")[1], 16)
print(f"highest area of this process: {last[-1]}, which ends at {end:#x}")
print(f"user space ends at 2^{end.bit_length()} = {1 << end.bit_length():#x}")

child = os.fork()
if child == 0:
    ctypes.string_at(KERNEL, 1)
    os._exit(0)
status = os.waitpid(child, 0)[1]
died = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "nothing"
print(f"a process that reads at {KERNEL:#x} gets {died}")

# The kernel could read there, but not for a program that has no right to it.
libc = ctypes.CDLL(None, use_errno=True)
_reader, writer = os.pipe()
libc.write(writer, ctypes.c_void_p(KERNEL), ctypes.c_size_t(1))
print(f"write(2) from that address: {os.strerror(ctypes.get_errno())}")
