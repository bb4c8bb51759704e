"""What an operation on more than one pair of ends did: frozen records. ``Report``, which is made for every transfer, is
native.
"""

import builtins
from dataclasses import dataclass

from zcio._errors import TransferError
from zcio._types import Mechanism
from zcio._zcio import Attempt, ItemReport


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy of a file did."""

    bytes: int
    """Bytes of data that were moved or shared; the file's size is this and ``holes`` together."""

    holes: int
    """Bytes that are a hole in the copy as in the source; 0 for a clone, where holes are kept and not counted."""

    cloned: bool
    """Whether the copy shares the blocks of its source."""

    mechanism: Mechanism | None
    """The mechanism that moved the last bytes; None for a file without data."""

    attempts: tuple[Attempt, ...]
    """Mechanisms that refused, in order."""

    elapsed: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class DirectionReport:
    """One direction of a relay."""

    bytes: int
    """Bytes the receiving socket took."""

    undelivered: "builtins.bytes"
    """Bytes taken out of the sending socket that the receiving one has not taken; they exist only here now."""

    mechanism: Mechanism
    """The mechanism in use last."""

    attempts: tuple[Attempt, ...]
    """What refused, and why."""

    ended: bool
    """Whether the sender ended and its end was passed on."""

    error: Exception | None
    """Why it broke, if it did."""


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What a relay did."""

    forward: DirectionReport
    """From the first socket to the second."""

    backward: DirectionReport
    """From the second socket to the first."""

    system_calls: int
    """System calls made, waits included."""

    waits: int
    """How often an end had to be waited for."""

    elapsed: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class SinkReport:
    """One sink of a fan-out."""

    bytes: int
    """Bytes it took."""

    undelivered: "builtins.bytes"
    """Bytes taken out of a socket or pipe that this sink has not got, when the fan-out ended early; they exist only
    here now. Empty for a file, which has its bytes still, and for a sink that failed while others went on."""

    mechanism: Mechanism
    """How they were delivered last."""

    attempts: tuple[Attempt, ...]
    """What refused on the way to this sink."""

    error: Exception | None
    """Why it was dropped, if it was."""


@dataclass(frozen=True, slots=True)
class FanOutReport:
    """What a fan-out did."""

    bytes: int
    """Bytes that every sink has which did not fail."""

    requested: int | None
    """Bytes that were asked for; None for everything to the end of the source."""

    mechanism: Mechanism
    """How the source was read and shared in the end."""

    attempts: tuple[Attempt, ...]
    """What refused to do that."""

    sinks: tuple[SinkReport, ...]
    """The sinks, in the order they were given."""

    system_calls: int
    """System calls made, waits included."""

    waits: int
    """How often an end had to be waited for."""

    elapsed: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What happened in a batch."""

    items: tuple[ItemReport | Exception, ...]
    """For each item its report or its exception, in the order of the items."""

    refusal: Attempt | None
    """Why the items were not made together (by io_uring) but one after the other; None if they were."""

    system_calls: int
    """System calls made."""

    waits: int
    """How often a sink had to be waited for."""

    elapsed: float
    """Seconds."""

    @property
    def bytes(self) -> int:
        """Bytes of all the items that succeeded, and of those that failed what had been delivered."""
        return sum(
            item.bytes if isinstance(item, ItemReport) else item.moved if isinstance(item, TransferError) else 0
            for item in self.items
        )


@dataclass(frozen=True, slots=True)
class ReadsReport:
    """What happened to a number of reads."""

    reads: tuple[int | Exception, ...]
    """For each read the bytes it has put into its buffer, fewer than fit only at EOF; or its exception."""

    refusal: Attempt | None
    """Why they were not made by io_uring; None if nothing kept it from being used."""

    system_calls: int
    """System calls made."""


for _class in (CopyReport, DirectionReport, RelayReport, SinkReport, FanOutReport, BatchReport, ReadsReport):
    _class.__module__ = "zcio"
