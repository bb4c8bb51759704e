"""The standard library's ``shutil`` whose copies zcio makes, for who prefers an import to ``zcio.install()``.

Either ``from zcio.compat import shutil``, or for code that is not one's own, before it is imported::

    sys.modules["shutil"] = importlib.import_module("zcio.compat.shutil")

Every function is the standard library's, in a namespace where the one that copies the bytes of a regular file is
zcio's; classes and the registries of formats are shared. ``shutil`` itself stays as it is.
"""

import functools
import inspect
import shutil as _shutil
from shutil import *  # noqa: F403
from types import FunctionType
from typing import Any

from zcio import _standard

_made: dict[FunctionType, FunctionType] = {}


def _here(value: Any) -> Any:
    """A function of shutil's in this namespace, with those that are its defaults; anything else as it is."""
    if not isinstance(value, FunctionType) or value.__globals__ is not vars(_shutil):
        return value
    if value not in _made:
        made = _made[value] = FunctionType(value.__code__, globals(), value.__name__, None, value.__closure__)
        functools.update_wrapper(made, value)
        del made.__wrapped__  # type: ignore[attr-defined]
        made.__defaults__ = value.__defaults__ and tuple(map(_here, value.__defaults__))
        made.__kwdefaults__ = value.__kwdefaults__ and {name: _here(one) for name, one in value.__kwdefaults__.items()}
    return _made[value]


for _name, _value in list(vars(_shutil).items()):
    if _name in _standard.FAST_COPIES:
        globals()[_name] = functools.partial(_standard.copy, _here(inspect.unwrap(_value)))
    elif not _name.startswith("__") or _name == "__all__":
        globals()[_name] = _here(_value)
