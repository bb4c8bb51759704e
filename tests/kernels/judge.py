"""Compares what a machine has answered with what was written beforehand (expected.toml)."""

import fnmatch
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

EXPECTED = tomllib.loads(Path(__file__).with_name("expected.toml").read_text())
FILE_SYSTEMS = ("ext4", "xfs", "btrfs")
PLACE = Path(__file__).resolve().parents[2] / "target/kernels"


def answer(kernel: str, file_system: str) -> dict | None:
    """All that a machine has said, of each program the last; `None` if it has said nothing."""
    path = PLACE / kernel / f"{file_system}.json"
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    programs = {line["program"]: line for line in lines if "program" in line}
    probed = [line for line in lines if "probe" in line]
    return probed[-1] | {"programs": programs} if probed else None


def chosen(file_system: str, programs: list[str]) -> list[str]:
    """Those of the programs that are for this file system."""
    patterns = EXPECTED["programs"]["every"] + EXPECTED["programs"][file_system]
    return [name for pattern in patterns for name in sorted(fnmatch.filter(programs, pattern))]


def version(release: str) -> tuple[int, ...]:
    """Of "6.1.0-50-amd64", the first two numbers."""
    return tuple(int(number) for number in release.split("-")[0].split(".")[:2])


def has(release: str, since: str) -> bool:
    return since != "never" and version(release) >= version(since)


def of_kernel(name: str) -> str:
    return EXPECTED["since"].get(name, "0.0")


def of_path(name: str, file_system: str) -> str:
    return EXPECTED["since_at_path"].get(name, {}).get(file_system, "0.0")


def judge(kernel: str, file_system: str, wanted: list[str]) -> Iterator[str]:
    """Everything that is not as it was written, a sentence each."""
    found = answer(kernel, file_system)
    if found is None:
        yield "it gave no answer"
        return
    release = found["release"]
    for capability in found["probe"]["capabilities"]:
        yield from compare(capability, release, of_kernel(capability["name"]))
    for capability in found["probe"]["of_path"]:
        yield from compare(capability, release, of_path(capability["name"], file_system))
    yield from (f"{name} has not run" for name in wanted if name not in found["programs"])
    for name, program in found["programs"].items():
        for test in program["failed"]:
            yield f"{name}: {test} failed"
        if program["status"] and not program["failed"]:
            yield f"{name} ended with status {program['status']}"
        if not program["passed"]:
            yield f"{name}: nothing passed"
        for why in program["skipped"]:
            skips = EXPECTED["skips"].items()
            if not any(fnmatch.fnmatch(why, pattern) and not has(release, until) for pattern, until in skips):
                yield f"{name} skips: {why}"


def compare(capability: dict, release: str, since: str) -> Iterator[str]:
    # Where each file system has an answer of its own, the kernel has it.
    there, name = capability["answer"] in ("yes", "ask_path"), capability["name"]
    if there != has(release, since):
        yield f"{name} is {'there' if there else 'missing'}, and was to be there since {since}: {capability['reason']}"
