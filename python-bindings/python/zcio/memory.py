"""What the article on I/O principles and zero-copy tells, shown on this machine: the experiments of ``zcio learn``.

One for each of the article's headings, for notebooks and classes::

    lesson = zcio.memory.learn("page-fault")
    print(lesson)                          # what the article says, what this machine does, why they differ
    lesson.figures["memory"]["first_touch"]  # {'minor': 1024, 'major': 0}

The guide has a chapter for each topic.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from zcio import _zcio
from zcio._zcio import TOPICS

__all__ = ["TOPICS", "Lesson", "learn"]


@dataclass(frozen=True)
class Lesson:
    """What the article says under a heading, and what was found here. Its text is what ``zcio learn`` prints."""

    topic: str
    """One of ``TOPICS``."""
    title: str
    """The heading."""
    article: str
    """What the article says under it."""
    figures: dict[str, Any]
    """What was measured; the form depends on the topic. Sizes are in bytes, addresses and frames are texts in
    hexadecimal, None is what is not known."""
    drawing: str
    """The same for people: every number in it is one of the figures."""
    differs: str
    """Why that is not what the article says, or that it is."""
    unseen: tuple[str, ...]
    """What could not be seen here, and why: without root or a disk, for example."""
    _text: str

    def __str__(self) -> str:
        return self._text


def learn(topic: str, *, directory: str | os.PathLike[str] | None = None) -> Lesson:
    """Makes the experiment of a topic, one of ``TOPICS``. It takes up to some seconds.

    Its files have no names. They are made in ``directory``: on a disk, for what is about disks; by default where
    temporary files are.

    ``ValueError`` if there is no such topic; ``OSError`` if the experiment could not be made, or that is no directory.
    What merely could not be seen is in ``Lesson.unseen``.
    """
    if topic not in TOPICS:
        raise ValueError(f"no topic is called {topic!r}; there are {', '.join(TOPICS)}")
    document, text = _zcio.learn(topic, directory)
    found = json.loads(document)
    return Lesson(
        topic=topic,
        title=found["title"],
        article=found["article"],
        figures=found["figures"],
        drawing="\n".join(found["drawing"]),
        differs=found["differs"],
        unseen=tuple(found["unseen"]),
        _text=text,
    )
