"""zcio.observe: each operation is told of, those of zcio.aio too, to logs and as spans."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
import zcio
import zcio.aio
from loops import Library


def test_each_operation_is_told_of(source: Path, tmp_path: Path) -> None:
    told: list[zcio.Operation] = []
    end = zcio.observe(told.append)
    try:
        report = zcio.transfer(source, tmp_path / "a")
        zcio.copy(source, tmp_path / "b")
        zcio.fan_out(source, [tmp_path / "c"])
        zcio.batch([(source, tmp_path / "d")])
        with open(source, "rb") as file:
            zcio.reads([(file, 0, bytearray(10))])
        with pytest.raises(FileNotFoundError) as raised:
            zcio.transfer(tmp_path / "none", tmp_path / "a")
    finally:
        end()
    zcio.transfer(source, tmp_path / "a")
    names = ["transfer", "copy", "fan_out", "batch", "reads", "transfer"]
    assert [operation.name for operation in told] == names
    assert (told[0].report, told[0].error) == (report, None)
    assert (told[-1].report, told[-1].error) == (None, raised.value)
    assert all(operation.seconds > 0 for operation in told)


def test_those_of_aio(library: Library, source: Path, tmp_path: Path) -> None:
    told: list[zcio.Operation] = []
    end = zcio.observe(told.append)

    async def main() -> None:
        await zcio.aio.transfer(source, tmp_path / "a")
        await zcio.aio.fan_out(source, [tmp_path / "b"])
        await zcio.aio.copy(source, tmp_path / "c")
        with pytest.raises(FileNotFoundError):
            await zcio.aio.transfer(tmp_path / "none", tmp_path / "a")

    try:
        library.run(main)
    finally:
        end()
    names = [(operation.name, operation.error is None) for operation in told]
    assert names == [("transfer", True), ("fan_out", True), ("copy", True), ("transfer", False)]


def test_they_are_logged(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: zcio.Operation) -> None:
        raise KeyError("mine")

    ends = [zcio.observe(fails), zcio.observe()]
    try:
        with caplog.at_level(logging.DEBUG, "zcio"):
            assert zcio.transfer(source, tmp_path / "a").bytes == source.stat().st_size
            with pytest.raises(FileNotFoundError):
                zcio.transfer(tmp_path / "none", tmp_path / "a")
    finally:
        for end in ends:
            end()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["ERROR", "DEBUG", "ERROR", "WARNING"]
    assert "transfer: Report(bytes=" in caplog.records[1].getMessage()


def test_spans(source: Path, tmp_path: Path) -> None:
    trace: Any = pytest.importorskip("opentelemetry.sdk.trace")
    export: Any = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory: Any = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    import zcio.opentelemetry

    exporter, provider = memory.InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    end = zcio.opentelemetry.instrument(provider)

    async def main() -> None:
        with provider.get_tracer("test").start_as_current_span("outer"):
            await zcio.aio.copy(source, tmp_path / "a")
            with pytest.raises(FileNotFoundError):
                await zcio.aio.transfer(tmp_path / "none", tmp_path / "a")

    try:
        asyncio.run(main())
    finally:
        end()
    copy, transfer, outer = exporter.get_finished_spans()
    assert (copy.name, transfer.name) == ("zcio.copy", "zcio.transfer")
    # Also of what a worker thread does.
    assert copy.parent.span_id == transfer.parent.span_id == outer.context.span_id
    assert copy.attributes["zcio.bytes"] == source.stat().st_size
    assert transfer.status.status_code.name == "ERROR"
