"""zcio's operations as spans of OpenTelemetry::

    zcio.opentelemetry.instrument()

Each operation of this process, whoever makes it, becomes a span ``zcio.transfer``, ``zcio.copy`` and so on below the
span that is current where it is made. Its attributes are the numbers and names of the report, as ``zcio.bytes`` and
``zcio.mechanism``; one that failed has the exception and the status ERROR. Needs the package ``opentelemetry-api``.
"""

import time
from collections.abc import Callable

from opentelemetry.trace import Status, StatusCode, TracerProvider, get_tracer

from zcio._observed import Operation, observe
from zcio._zcio import __version__

__all__ = ["instrument"]

_FACTS = ("bytes", "mechanism", "requested", "system_calls", "copies", "holes", "cloned")


def instrument(tracer_provider: TracerProvider | None = None) -> Callable[[], None]:
    """Begins it, with the global provider if none is given. Gives back what ends it."""
    tracer = get_tracer("zcio", __version__, tracer_provider)

    def make(operation: Operation) -> None:
        end = time.time_ns()
        begun = end - int(operation.seconds * 1e9)
        span = tracer.start_span(f"zcio.{operation.name}", start_time=begun)
        for name in _FACTS:
            fact = getattr(operation.report, name, None)
            if isinstance(fact, int | str):
                span.set_attribute(f"zcio.{name}", fact)
        if refused := [attempt.mechanism for attempt in getattr(operation.report, "attempts", ())]:
            span.set_attribute("zcio.refused", refused)
        if operation.error is not None:
            span.set_attribute("zcio.bytes", getattr(operation.error, "moved", 0))
            span.record_exception(operation.error)
            span.set_status(Status(StatusCode.ERROR, str(operation.error)))
        span.end(end)

    return observe(make)
