"""The storm of `storm.py`, for a few seconds; ZCIO_STORM="600 10000" for ten minutes and ten thousand forks."""

import os
import subprocess
import sys
from pathlib import Path


def test_nothing_in_use_is_taken_away_and_nothing_of_others_is_touched(tmp_path: Path) -> None:
    seconds, forks = os.environ.get("ZCIO_STORM", "8 150").split()
    program = Path(__file__).with_name("storm.py")
    done = subprocess.run(
        [sys.executable, program, seconds, forks, tmp_path],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=float(seconds) * 3 + 600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Everything that a storm is made of has happened.
    for what in ("region -> ", "number -> ", "raw -> ", "socket -> number", "copy", "seal", "fork", "lock"):
        assert what in done.stdout, done.stdout
