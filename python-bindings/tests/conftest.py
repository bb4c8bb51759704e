"""The fixtures of more than one file."""

import resource
import signal
from pathlib import Path

import pytest
from loops import DATA, AnyioOnAsyncio, Asyncio, Library, Trio, Uvloop

# A shell lets its background jobs ignore Ctrl-C, and Python then has no KeyboardInterrupt; nor have the children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Some tests hold a thousand descriptors, which is all that a shell allows on many a machine.
_SOFT, _HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_HARD if _HARD < 4096 else max(_SOFT, 4096), _HARD))


@pytest.fixture(params=[Asyncio, Uvloop, Trio, AnyioOnAsyncio], ids=lambda kind: kind.__name__.lower())
def library(request: pytest.FixtureRequest) -> Library:
    found: Library = request.param()
    return found


@pytest.fixture(params=[Asyncio, Uvloop], ids=lambda kind: kind.__name__.lower())
def loop(request: pytest.FixtureRequest) -> Asyncio:
    found: Asyncio = request.param()
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path
