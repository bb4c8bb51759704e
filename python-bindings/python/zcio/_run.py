"""``python -m zcio run``: a Python program, as ``python`` runs it, after ``zcio.install()``."""

import io
import os
import pkgutil
import runpy
import sys
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from zcio._install import install

_USAGE = """\
usage: python -m zcio run PROGRAM [ARGUMENT ...]
       python -m zcio run -m MODULE [ARGUMENT ...]

Runs a Python program (a file, a folder or zip file with a __main__.py, or a module) after zcio.install(), so that what
the standard library copies and sends goes zcio's way."""

_runpy: Any = runpy


def run(arguments: list[str]) -> int:
    """Runs it in this process. What it raises goes on, ``SystemExit`` too."""
    match arguments:
        case ["-h" | "--help"]:
            print(_USAGE)
        case ["-m", module, *_]:
            _begin(arguments[1:], os.getcwd())  # noqa: PTH109
            # What `python -m` itself calls.
            _runpy._run_module_as_main(module)
        case [program, *_] if not program.startswith("-"):
            # Python joins them in this way.
            path = os.path.join(os.getcwd(), program)  # noqa: PTH109, PTH118
            if pkgutil.get_importer(path) is not None:
                _begin(arguments, os.path.abspath(path))  # noqa: PTH100
                _runpy._run_module_as_main("__main__", False)
            else:
                code = _read(path)
                main = _begin(arguments, os.path.dirname(os.path.realpath(path)))  # noqa: PTH120
                main.update(__file__=path, __cached__=None, __loader__=SourceFileLoader("__main__", path))
                exec(code, main)
        case _:
            print(_USAGE, file=sys.stderr)
            return 2
    return 0


def _begin(arguments: list[str], directory: str) -> dict[str, Any]:
    """The namespace of a new ``__main__``, which stays for threads and exit handlers."""
    install()
    sys.argv = list(arguments)
    if not sys.flags.safe_path:
        sys.path[0] = directory
    before, main = sys.modules["__main__"], ModuleType("__main__")
    sys.modules["__main__"] = main
    # Python gives it one up to 3.13.
    main.__dict__.update({"__annotations__": {}} if "__annotations__" in vars(before) else {})
    return main.__dict__


def _read(path: str) -> CodeType:
    with io.open_code(path) as file:
        compiled: CodeType | None = pkgutil.read_code(file)
    if compiled is not None:
        return compiled
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)
