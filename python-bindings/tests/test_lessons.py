"""The article's experiments, made inside this interpreter: what they show is so, by this process's own witnesses."""

import json
import mmap
import resource
import threading
from pathlib import Path

import pytest
import zcio
import zcio.memory


@pytest.fixture(scope="module")
def lessons() -> dict[str, zcio.memory.Lesson]:
    return {topic: zcio.memory.learn(topic) for topic in zcio.memory.TOPICS}


def test_each_heading_has_its_chapter_and_its_experiment(lessons: dict[str, zcio.memory.Lesson]) -> None:
    for guide in Path(__file__).parents[2].glob("docs/guide/*/learn"):
        assert {page.stem for page in guide.glob("*.md")} - {"index"} == set(lessons)
    for topic, lesson in lessons.items():
        assert (lesson.topic, bool(lesson.figures)) == (topic, True)
        text = str(lesson)
        assert text.startswith(lesson.title + "\n\nthe article says  ")
        assert all(line.strip() in text for line in lesson.drawing.splitlines())
        assert all(isinstance(reason, str) for reason in lesson.unseen)
        json.dumps(lesson.figures)


def test_what_lies_where_is_this_process(lessons: dict[str, zcio.memory.Lesson]) -> None:
    # A library does not move while it is loaded; the rest comes and goes.
    libraries = [place for place in lessons["layout"].figures["places"] if place["name"].endswith(".so")]
    assert libraries
    maps = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    for place in libraries:
        address = int(place["address"], 16)
        own = [line[0].split("-") for line in maps if line[-1].endswith("/" + place["name"])]
        ranges = [(int(start, 16), int(end, 16)) for start, end in own]
        assert any(start <= address < end for start, end in ranges), place


def test_first_touches_are_faults_of_this_process() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    memory = zcio.memory.learn("page-fault").figures["memory"]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert memory["present_before"] == 0
    assert memory["first_touch"]["minor"] <= after - before
    if memory["first_touch"]["minor"] >= memory["pages"]:
        assert memory["present_after"] == memory["pages"]
    assert memory["second_touch"]["minor"] < memory["pages"] // 10


def test_the_page_size_is_the_systems(lessons: dict[str, zcio.memory.Lesson]) -> None:
    figures = lessons["memory"].figures
    assert figures["page_size"] == mmap.PAGESIZE
    assert all(page["present"] == page["written"] for page in figures["pages"])


def test_the_ways_have_what_the_engine_reports(lessons: dict[str, zcio.memory.Lesson], tmp_path: Path) -> None:
    way = lessons["read-write"].figures["ways"][0]
    (tmp_path / "source").write_bytes(b"x" * 1000)
    with open(tmp_path / "source", "rb") as source:
        report = zcio.transfer(source, tmp_path / "sink", mechanism=way["mechanism"])
    assert report.copies is not None
    assert way["copies"]["least"] == way["copies"]["most"] == 2


def test_other_threads_run_meanwhile() -> None:
    ran = threading.Event()
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            ran.set()

    counting = threading.Thread(target=count)
    counting.start()
    try:
        zcio.memory.learn("layout")
        assert ran.wait(20)
    finally:
        stop.set()
        counting.join()


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"teleport.*page-fault"):
        zcio.memory.learn("teleport")
    with pytest.raises(FileNotFoundError):
        zcio.memory.learn("dma", directory=tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        zcio.memory.learn("dma", directory=tmp_path / "file")
    with pytest.raises(TypeError):
        zcio.memory.learn("dma", directory=7)  # type: ignore[arg-type]
