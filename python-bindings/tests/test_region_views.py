"""No view of a region ends the process or shows other memory, whatever is done to the region: see region_views."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import zcio
from region_views import ACTIONS, EXPORTERS, VIEWERS

PROGRAM = Path(__file__).with_name("region_views.py")


def test_the_table_has_every_buffer() -> None:
    stub = Path(zcio.__file__).with_name("_zcio.pyi").read_text()
    classes = dict(re.findall(r"^class (\w+)(?:\((\w+)\))?:", stub, re.MULTILINE))
    buffers = {block.split(":")[0] for block in stub.split("\nclass ")[1:] if "def __buffer__" in block}
    buffers |= {name for name, base in classes.items() if base in buffers}
    assert {name.split()[0] for name in EXPORTERS} == {*buffers, "mmap"}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_every_view_through_everything(exporter: str, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), exporter, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    actions = [action for action, (_, exporters, _) in ACTIONS.items() if exporter in exporters]
    assert len(answers) == len(VIEWERS) * len(actions)
    assert [answer for answer in answers if answer[2:] != [0, "as it should be"]] == []
