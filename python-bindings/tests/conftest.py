"""The fixtures of more than one file."""

import pytest
from loops import AnyioOnAsyncio, Asyncio, Library, Trio, Uvloop


@pytest.fixture(params=[Asyncio, Uvloop, Trio, AnyioOnAsyncio], ids=lambda kind: kind.__name__.lower())
def library(request: pytest.FixtureRequest) -> Library:
    found: Library = request.param()
    return found


@pytest.fixture(params=[Asyncio, Uvloop], ids=lambda kind: kind.__name__.lower())
def loop(request: pytest.FixtureRequest) -> Asyncio:
    found: Asyncio = request.param()
    return found
