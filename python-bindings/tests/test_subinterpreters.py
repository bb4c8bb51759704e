"""In a second interpreter of the process the import is refused in words; the first goes on, whichever it was."""

import subprocess
import sys

import pytest
from interpreters import NEWER, environment

PROGRAM = """
import gc, sys
try:
    import _interpreters as module
    new, run = lambda: module.create("legacy"), module.exec
except ImportError:
    import _xxsubinterpreters as module
    new = (lambda: module.create(isolated=False)) if sys.version_info >= (3, 12) else module.create
    run = module.run_string

def says(code):
    number = new()
    try:
        # What it raises is an exception here, or from 3.13 on an answer.
        answer = str(run(number, code) or "imported")
    except Exception as error:
        answer = str(error)
    module.destroy(number)
    return "imported" if answer == "imported" else "refused" if "in one only" in answer else answer

uses = '''
import zcio
try:
    zcio.transfer("/nonexistent", "/dev/null")
except zcio.TransferError as error:
    assert isinstance(error, FileNotFoundError)
assert bytes(zcio.Region.anonymous(3)[:]) == bytes(3)
'''
if sys.argv[1] == "main":
    exec(uses)
print(*(says(uses) for _ in range(3)))
try:
    exec(uses)
    print("imported")
except ImportError as error:
    print("refused" if "in one only" in str(error) else error)
gc.collect()
"""


@pytest.mark.parametrize("python", [sys.executable, *NEWER])
@pytest.mark.parametrize(
    ("first", "answers"),
    [("main", "refused refused refused\nimported\n"), ("other", "imported refused refused\nrefused\n")],
)
def test_only_the_first_interpreter_imports_it(python: str, first: str, answers: str) -> None:
    python = python if python == sys.executable else environment(python)
    command = [python, "-c", PROGRAM, first]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, answers), done.stderr
