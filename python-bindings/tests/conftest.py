"""The fixtures of more than one file."""

from pathlib import Path

import pytest
from loops import DATA, AnyioOnAsyncio, Asyncio, Library, Trio, Uvloop


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
