from collections.abc import Callable, Iterable
from typing import Final, Literal, final

from zcio._reports import BatchReport, CopyReport, FanOutReport, RelayReport
from zcio._types import BatchItem, End, Mechanism, Path, Socket, Source, Visibility

__all__ = [
    "MECHANISMS",
    "Attempt",
    "ItemReport",
    "RelaySteps",
    "Report",
    "TransferSteps",
    "__version__",
    "batch",
    "copy",
    "fan_out",
    "relay",
    "transfer",
]

MECHANISMS: Final[tuple[Mechanism, ...]]
__version__: Final[str]

def transfer(
    src: Source,
    dst: End,
    *,
    offset: int | None = None,
    count: int | None = None,
    mechanism: Mechanism | Literal["auto"] = "auto",
    visibility: Visibility = "aliased",
    dst_offset: int | None = None,
    read_ahead: int | None = None,
    drop_behind: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Report: ...
def copy(
    src: Path,
    dst: Path,
    *,
    reflink: Literal["auto", "always", "never"] = "auto",
    preserve_mode: bool = False,
    preserve_times: bool = False,
    replace: bool = False,
    fsync: bool = False,
    progress: Callable[[int], object] | None = None,
) -> CopyReport: ...
def relay(a: Socket, b: Socket, *, progress: Callable[[int, int], object] | None = None) -> RelayReport: ...
def fan_out(
    src: End,
    sinks: Iterable[End],
    *,
    offset: int | None = None,
    count: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> FanOutReport: ...
def batch(items: Iterable[BatchItem]) -> BatchReport: ...

@final
class Report:
    def __new__(
        cls,
        bytes: int,
        requested: int | None,
        mechanism: Mechanism,
        automatic: bool,
        attempts: list[Attempt] | tuple[Attempt, ...],
        system_calls: int,
        waits: int,
        copies: int | None,
        copies_known_by: str,
        elapsed: float,
    ) -> Report: ...
    @property
    def bytes(self) -> int: ...
    @property
    def requested(self) -> int | None: ...
    @property
    def mechanism(self) -> Mechanism: ...
    @property
    def automatic(self) -> bool: ...
    @property
    def attempts(self) -> tuple[Attempt, ...]: ...
    @property
    def system_calls(self) -> int: ...
    @property
    def waits(self) -> int: ...
    @property
    def copies(self) -> int | None: ...
    @property
    def copies_known_by(self) -> Literal["model", "unknown"]: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def short(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ItemReport:
    def __new__(cls, bytes: int, requested: int | None, mechanism: Mechanism) -> ItemReport: ...
    @property
    def bytes(self) -> int: ...
    @property
    def requested(self) -> int | None: ...
    @property
    def mechanism(self) -> Mechanism: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Attempt:
    def __new__(cls, mechanism: Mechanism, moved: int, operation: str, errno: int | None, reason: str) -> Attempt: ...
    @property
    def mechanism(self) -> Mechanism: ...
    @property
    def moved(self) -> int: ...
    @property
    def operation(self) -> str: ...
    @property
    def errno(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class TransferSteps:
    def __new__(
        cls,
        src: Source,
        dst: End,
        offset: int | None,
        count: int | None,
        mechanism: str,
        visibility: str,
        dst_offset: int | None,
        read_ahead: int | None,
        drop_behind: bool,
        taken_before: bytes,
    ) -> TransferSteps: ...
    def open(self) -> None: ...
    def may_wait(self) -> bool: ...
    def step(self, patient: bool) -> tuple[tuple[int, int], ...] | None: ...
    def sink(self) -> int | None: ...
    def report(self) -> Report | None: ...
    def close(self) -> bytes: ...
    @property
    def bytes(self) -> int: ...

@final
class RelaySteps:
    def __new__(cls, a: Socket, b: Socket, from_a: bytes, from_b: bytes) -> RelaySteps: ...
    def step(self) -> tuple[tuple[int, int], ...] | None: ...
    def close(self) -> RelayReport | None: ...
    @property
    def bytes(self) -> tuple[int, int]: ...
