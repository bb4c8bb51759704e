"""The standard library's ``mmap`` with a guarded ``zcio.Region`` underneath.

Either ``from zcio.compat import mmap``, or for code that is not one's own, before it is imported::

    sys.modules["mmap"] = importlib.import_module("zcio.compat.mmap")

What is better: a file that somebody cuts short is an exception (``zcio.FaultedError``) and not the end of the process,
and offsets need not be multiples of ``ALLOCATIONGRANULARITY``. What differs: memory is never executable (``PROT_EXEC``
is PermissionError), ``MADV_HWPOISON`` is refused, shared anonymous memory cannot be made longer, and an access to a
single byte takes about a microsecond, because it is checked; through a memoryview it is as fast as ever.
"""

from mmap import *  # noqa: F403

from zcio.compat._mmap import mmap as mmap  # type: ignore[assignment]

error = OSError
