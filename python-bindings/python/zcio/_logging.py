"""What ``zcio.observe()`` logs without a function."""

import logging

from zcio._observed import Operation

log = logging.getLogger("zcio")


def logged(operation: Operation) -> None:
    report, error = operation.report, operation.error
    if error is not None:
        moved = getattr(error, "moved", 0)
        facts = (operation.name, operation.seconds, moved, type(error).__name__, error)
        log.warning("%s failed after %.6f s and %s bytes: %s: %s", *facts)
        return
    refused = ", ".join(f"{attempt.mechanism} ({attempt.reason})" for attempt in getattr(report, "attempts", ()))
    level = logging.INFO if refused else logging.DEBUG
    if log.isEnabledFor(level):
        said = f"{operation.name}: {report!r} in {operation.seconds:.6f} s" + (f", after {refused}" if refused else "")
        log.log(level, "%s", said)
