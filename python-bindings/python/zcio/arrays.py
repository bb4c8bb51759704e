"""Arrays in a region, without a copy: what numpy and safetensors have written, as it lies in the file.

The arrays keep the region, so it need not be kept beside them::

    array = zcio.arrays.npy(zcio.Region.open("array.npy"))
    tensors = zcio.arrays.safetensors(zcio.Region.open("model.safetensors"))

They can be written if the region can: mode "r+" changes the file, "c" a private copy of the pages that are written.
While one exists, ``region.close()`` is refused as for any view. numpy must be installed. ``torch.from_numpy(array)``
copies nothing either.
"""

import json
import math
from typing import TYPE_CHECKING, Any

from zcio._zcio import Region

if TYPE_CHECKING:
    import numpy

__all__ = ["npy", "safetensors"]

# The names of the format, in numpy's words.
_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
    # Numbers that numpy does not have.
    "BF16": "V2",
    "F8_E4M3": "V1",
    "F8_E5M2": "V1",
}


def npy(region: Region) -> "numpy.ndarray[Any, Any]":
    """The array of a file that ``numpy.save`` wrote.

    ``ValueError`` if it is not one, if it is cut short, and for arrays of Python objects, which lie in it as a pickle.
    """
    from numpy.lib import format as npy_format  # Not everybody who imports this package has it.

    with region.file() as file:
        version = npy_format.read_magic(file)
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"version {version} of the format of numpy.save is not known here")
        shape, fortran, dtype = read(file)
        start = file.tell()
    if dtype.hasobject:
        raise ValueError("an array of Python objects cannot be used where it lies")
    if start + math.prod(shape) * dtype.itemsize > len(region):
        raise ValueError(f"the array does not end in the region: {shape} of {dtype} from byte {start} on")
    return _array(region, dtype, shape, start).reshape(shape, order="F" if fortran else "C")


def safetensors(region: Region) -> "dict[str, numpy.ndarray[Any, Any]]":
    """The tensors of a safetensors file by their names.

    Numbers that numpy does not have (BF16, F8) are bytes without a meaning there: torch takes them by
    ``torch.from_numpy(tensor.view("u2")).view(torch.bfloat16)``. ``ValueError`` if it is no such file or is cut short.
    """
    from numpy import dtype

    length = int.from_bytes(region.read(0, 8), "little")
    start = 8 + length
    if len(region) < 8 or start > len(region):
        raise ValueError("no safetensors file: its header does not fit in")
    # What is no JSON is a ValueError too.
    header = json.loads(region.read(8, length))
    if not isinstance(header, dict):
        raise ValueError("no safetensors file: its header is no object")
    header.pop("__metadata__", None)
    found = {}
    for name, tensor in header.items():
        try:
            kind, shape, (first, end) = tensor["dtype"], tuple(map(int, tensor["shape"])), tensor["data_offsets"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"no safetensors file: tensor {name!r} is not described") from error
        if kind not in _TYPES:
            raise ValueError(f"tensor {name!r} is of a type that is not known here: {kind}")
        if not 0 <= first <= end <= len(region) - start or min(shape, default=0) < 0:
            raise ValueError(f"no safetensors file: tensor {name!r} lies outside of it")
        item = dtype(_TYPES[kind])
        if math.prod(shape) * item.itemsize != end - first:
            raise ValueError(f"no safetensors file: tensor {name!r} is not as long as {shape} of {kind}")
        found[name] = _array(region, item, shape, start + first).reshape(shape)
    return found


def _array(region: Region, dtype: Any, shape: tuple[int, ...], start: int) -> "numpy.ndarray[Any, Any]":
    from numpy import frombuffer

    return frombuffer(memoryview(region), dtype, math.prod(shape), start)
