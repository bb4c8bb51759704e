"""Where user space ends, and what happens to a process that reads beyond it."""

import ctypes
import os
import signal
from pathlib import Path

areas = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
last = next(area for area in reversed(areas) if area[-1] != "[vsyscall]")
end = int(last[0].split("-")[1], 16)
print(f"highest area of this process: {last[-1]}, which ends at {end:#x}")
print(f"user space ends at 2^{end.bit_length()} = {1 << end.bit_length():#x}")

KERNEL = 0xFFFF_8880_0000_0000  # On x86-64 and aarch64 in the kernel's half.
child = os.fork()
if child == 0:
    ctypes.string_at(KERNEL, 1)
    os._exit(0)
status = os.waitpid(child, 0)[1]
died = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "nothing"
print(f"a process that reads at {KERNEL:#x} gets {died}")

# A system call reaches there on the process's behalf, but not for an address that is not its own.
try:
    os.write(os.open("/dev/null", os.O_WRONLY), b"fine")
    libc = ctypes.CDLL(None, use_errno=True)
    reader, writer = os.pipe()
    libc.write(writer, ctypes.c_void_p(KERNEL), ctypes.c_size_t(1))
    print(f"write(2) from that address: {os.strerror(ctypes.get_errno())}")
finally:
    os.close(writer)
