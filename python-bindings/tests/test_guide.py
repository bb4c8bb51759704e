"""The guide's blocks of code (docs/guide), run as a reader would run them: page by page, from top to bottom.

Before each block of shell, Python or Java stands what becomes of it:

    <!-- run -->              run; `<!-- run: ARGUMENTS -->` gives a program arguments, and `<!-- run, needs strace -->`
                              skips the page where that cannot be had (strace, or a disk below the folder)
    <!-- not run: REASON -->  not run
    <!-- output -->           before a block of text: what the last block printed, but for numbers and space; a line `…`
                              stands for any lines

A block with a title is saved under that name, for a later block of shell. Each page has a folder with a `file.bin` and
a `zcio.jar`. Rust's blocks are documentation tests (tests/src/documents.rs).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import zcio
from support import REPOSITORY, content, on_disk, skip

GUIDE = REPOSITORY / "docs/guide"
EXPERIMENTS = REPOSITORY / "docs/experiments"
PAGES = sorted(str(path.relative_to(GUIDE)) for path in GUIDE.rglob("*.md"))
CHINESE = [page for page in PAGES if page.startswith("zh/")]
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<marker>.*?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
LANGUAGES = {"sh", "python", "java"}


@dataclass
class Block:
    language: str
    title: str | None
    marker: str | None
    body: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    text = (GUIDE / page).read_text()
    for found in BLOCK.finditer(text):
        body = re.sub("^" + found["indent"], "", found["body"], flags=re.MULTILINE)
        body = INCLUDED.sub(lambda name: (EXPERIMENTS / name[1]).read_text(), body)
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found["language"], found["title"], found["marker"], body, line)


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page(page: str, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(content(300_000))
    (tmp_path / "zcio.jar").symlink_to(REPOSITORY / f"java-bindings/zcio/target/zcio-{zcio.__version__}.jar")
    saved: dict[str, int] = {}
    printed = ""
    for block in blocks(page):
        where = f"docs/guide/{page}:{block.line}"
        if block.title is not None:
            (tmp_path / block.title).write_text(block.body)
            saved[block.title] = block.line
        elif block.language in LANGUAGES:
            assert block.marker, f"{where}: no marker says whether this block is run"
            if not block.marker.startswith("not run: "):
                saved = {name: line for name, line in saved.items() if name not in block.body}
                printed = run(block, tmp_path, where)
        elif block.marker == "output":
            assert re.fullmatch(pattern(block.body), plain(printed)), f"{where}: what was printed is\n{printed}"
    assert saved == {}, f"docs/guide/{page}: shown and never run"


def run(block: Block, folder: Path, where: str) -> str:
    how = re.fullmatch(r"run(?:, needs (?P<needs>\w+))?(?:: (?P<arguments>.*))?", block.marker or "")
    assert how, f"{where}: {block.marker!r} is no marker"
    need(how["needs"], folder)
    arguments = (how["arguments"] or "").split()
    if block.language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", block.body]
    elif block.language == "python":
        (folder / "block.py").write_text(block.body)
        command = [sys.executable, "block.py", *arguments]
    else:
        need("java", folder)
        name = re.search(r"^public (?:final )?class (\w+)", block.body, re.MULTILINE)
        assert name, f"{where}: no public class"
        (folder / f"{name[1]}.java").write_text(block.body)
        command = ["java", "-cp", "zcio.jar", f"{name[1]}.java", *arguments]
    if re.search(r"\b(?:java|jar|jfr) ", block.body):
        need("java", folder)
    # Where the program stands that a reader has on the PATH.
    path = f"{Path(sys.executable).parent}:{java() or '/nowhere'}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path, "JDK_JAVA_OPTIONS": "--enable-native-access=ALL-UNNAMED"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{where}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def need(what: str | None, folder: Path) -> None:
    if what == "java" and not ((folder / "zcio.jar").exists() and java()):
        skip("no jar of zcio's, or no JDK: make jar")
    if what == "disk":
        on_disk(folder)
    # Where it is forbidden to trace, strace itself fails.
    if what == "strace" and subprocess.run("strace -qq -o /dev/null true", shell=True, check=False).returncode:
        skip("strace is not to be had, or not allowed")


def java() -> str | None:
    """The folder of the oldest JDK's programs, with which the jar was built."""
    found = subprocess.run([REPOSITORY / ".ci/jdks"], capture_output=True, text=True, check=True).stdout.split()
    return f"{found[0]}/bin" if found else None


def plain(text: str) -> str:
    """One space for each run of space, and N for each number, be it hexadecimal or with a decimal point."""
    text = re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(?:[.,]\d+)*", "N", text)
    return "".join(" ".join(line.split()) + "\n" for line in text.splitlines() if line.strip())


def pattern(expected: str) -> str:
    lines = plain(expected).splitlines()
    return "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in lines)


def test_every_page_with_rust_is_run_by_rustdoc() -> None:
    """Its blocks are documentation tests only if the page is named there."""
    tests = (REPOSITORY / "tests/src/documents.rs").read_text()
    with_rust = {page for page in PAGES if "```rust\n" in (GUIDE / page).read_text()}
    named = set(re.findall(r'include_str!\("../../docs/guide/(.+?)"\)', tests))
    assert named == with_rust


def test_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (REPOSITORY / "README.md").read_text())
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_the_version_is_this_one() -> None:
    for page in PAGES:
        text = (GUIDE / page).read_text()
        named = re.findall(r"zcio[-:](\d+\.\d+\.\d+)|<version>(.+)</version>|zcio = \"(.+?)\"", text)
        for whole in filter(None, (part for found in named for part in found)):
            assert zcio.__version__ == whole or zcio.__version__.startswith(f"{whole}."), page


def test_the_error_messages_are_those_of_the_source() -> None:
    sources = [
        path
        for folder in ("core/src", "java-bindings/src", "java-bindings/zcio/src/main", "python-bindings")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in {".rs", ".java", ".py"} and "tests" not in path.parts
    ]
    # Strings that go on in the next line are joined.
    source = "".join(re.sub(r'\\\n\s+|"\s*\n\s*(?:\+ )?f?"', "", path.read_text()) for path in sources)
    messages, in_chinese = (
        re.findall("^### `(.+)`$", (GUIDE / language / "how-to/troubleshooting.md").read_text(), re.MULTILINE)
        for language in ("en", "zh")
    )
    assert in_chinese == messages
    # That one is the operating system's own.
    messages.remove("No space left on device")
    assert len(messages) > 30
    for message in messages:
        for part in filter(None, (part.strip() for part in message.split("…"))):
            assert part in source, message


def test_every_page_stands_in_both_languages() -> None:
    english = [page for page in PAGES if page not in CHINESE]
    assert [page.replace("en/", "zh/", 1) for page in english] == CHINESE


def glossary(language: str) -> list[list[str]]:
    lines = (GUIDE / language / "glossary.md").read_text().splitlines()
    return [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if line.startswith("| ")][1:]


def test_the_two_glossaries_are_one() -> None:
    assert sorted(glossary("zh")) == sorted([chinese, english] for english, chinese in glossary("en"))


# What others call a term of the glossary, and the guide does not.
OTHER_WORDS = {
    "页缓存": "页面缓存|页高速缓存",
    "页帧": "页框",
    "缺页中断": "缺页异常|缺页错误|页面错误",
    "写时复制": "写入时复制|写时拷贝",
    "上下文切换": "上下文转换",
    "文件描述符": "文件描述字|文件句柄",
    "套接字": "套接口",
    "零拷贝": "零复制",
    "预读": "预取",
    "驻留": "常驻",
    "网卡": "网络接口|网络适配器",
    "共享内存": "共享存储",
    "分散/聚集": "分散-聚集|分散聚集|散布",
    "方式": "传输机制",
}


@pytest.mark.parametrize("page", CHINESE)
def test_chinese_has_one_word_for_a_thing(page: str) -> None:
    assert OTHER_WORDS.keys() <= {chinese for chinese, _ in glossary("zh")}
    assert re.findall("|".join(OTHER_WORDS.values()), (GUIDE / page).read_text()) == []


def test_a_wrong_output_is_seen() -> None:
    assert re.fullmatch(pattern("a  1.5 b\n…\nend 0x7f"), plain("a 23 b\nmore\nand more\nend 0x12\n"))
    assert not re.fullmatch(pattern("a 1 b\n"), plain("a 1 c\n"))
