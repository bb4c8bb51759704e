"""``zcio.observe()``: who is told of each operation, for logs, metrics and traces."""

import contextlib
import functools
import importlib
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias, TypeVar, cast

from zcio._reports import BatchReport, CopyReport, FanOutReport, ReadsReport, RelayReport
from zcio._zcio import Report, set_observed

AnyReport: TypeAlias = Report | RelayReport | FanOutReport | BatchReport | CopyReport | ReadsReport
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Operation:
    """One that is over."""

    name: str
    """``transfer``, ``relay``, ``fan_out``, ``batch``, ``copy`` or ``reads``."""

    seconds: float
    """How long it took, waits included."""

    report: AnyReport | None
    """What it gave back; None if it failed."""

    error: BaseException | None
    """What it raised; None if it did not."""


Observer: TypeAlias = Callable[[Operation], object]

observers: tuple[Observer, ...] = ()
_lock = threading.Lock()


def observe(observer: Observer | None = None) -> Callable[[], None]:
    """Has a function called after each operation of this process, in the thread or task that has made it.

    Those of ``zcio.aio`` and of what ``zcio.install()`` replaces are told, too. Without a function they are logged, by
    the logger ``zcio``: DEBUG for one that succeeded, INFO for one where a mechanism was refused before another one was
    taken, WARNING for one that failed. Gives back what ends it. What an observer raises is logged there as well.
    ``zcio.opentelemetry`` makes spans.
    """
    # The same function twice is called twice, and each end ends one.
    one = functools.partial(_logging().logged if observer is None else observer)

    def end() -> None:
        _set(lambda now: tuple(other for other in now if other is not one))

    _set(lambda now: (*now, one))
    return end


def _logging() -> ModuleType:
    # Which takes longer to import than all of zcio.
    return importlib.import_module("zcio._logging")


def _set(change: Callable[[tuple[Observer, ...]], tuple[Observer, ...]]) -> None:
    global observers
    with _lock:
        observers = change(observers)
        set_observed(bool(observers))


def tell(name: str, seconds: float, report: AnyReport | None, error: BaseException | None) -> None:
    """Called by the native half."""
    operation = Operation(name, seconds, report, error)
    for observer in observers:
        try:
            observer(operation)
        except Exception:
            # The operation is over, and this is no error of it.
            _logging().log.exception("an observer of zcio's operations failed")


def awaited(name: str, running: Coroutine[Any, Any, _T]) -> Coroutine[Any, Any, _T]:
    """The same, and told of if anybody has asked."""
    return _awaited(name, running) if observers else running


async def _awaited(name: str, running: Coroutine[Any, Any, _T]) -> _T:
    started = time.perf_counter()
    with contextlib.closing(running):
        try:
            report = await running
        except BaseException as error:
            tell(name, time.perf_counter() - started, None, error)
            raise
    tell(name, time.perf_counter() - started, cast(AnyReport, report), None)
    return report
