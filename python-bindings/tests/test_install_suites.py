"""CPython's own tests of what zcio.install() and zcio.compat.shutil take over, passed through zcio."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from interpreters import NEWER, environment
from support import skip

THEIR_TESTS = """
    import importlib, sys, unittest
    import zcio
    from zcio import _standard, aio
    calls = dict.fromkeys(("transfer", "aio"), 0)
    def counting(name, real):
        def counted(*arguments, **options):
            calls[name] += 1
            return real(*arguments, **options)
        return counted
    # Short files too.
    _standard._LARGE = 1
    _standard.transfer = counting("transfer", _standard.transfer)
    aio.Transfer = counting("aio", aio.Transfer)
    suite = unittest.TestSuite()
    find = unittest.TestLoader()
    if sys.argv[1:]:
        sys.modules["shutil"] = importlib.import_module("zcio.compat.shutil")
        calls["aio"] = 1
    else:
        zcio.install()
        import test.test_socket as sockets, test.test_asyncio.test_sendfile as loops
        import test.test_asyncio.test_unix_events as unix
        for name in ("SendfileUsingSendTest", "SendfileUsingSendfileTest"):
            suite.addTests(find.loadTestsFromTestCase(getattr(sockets, name)))
        suite.addTests(find.loadTestsFromModule(loops))
        suite.addTests(find.loadTestsFromTestCase(unix.SelectorEventLoopUnixSockSendfileTests))
    import test.test_shutil as copies
    suite.addTests(find.loadTestsFromModule(copies))
    result = unittest.TextTestRunner().run(suite)
    print(result.testsRun, *calls.values())
    sys.exit(not result.wasSuccessful())
"""


@pytest.mark.parametrize("python", [sys.executable, *NEWER])
@pytest.mark.parametrize("way", ["install", "import"])
def test_the_interpreters_own_tests(python: str, way: str, tmp_path: Path) -> None:
    if subprocess.run([python, "-c", "import test.test_shutil"], capture_output=True, check=False).returncode:
        skip(f"{python} has no test package")
    if python != sys.executable:
        python = environment(python)
    command = [python, "-c", textwrap.dedent(THEIR_TESTS), *(["import"] if way == "import" else [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    count, synchronous, asynchronous = map(int, done.stdout.split()[-3:])
    assert count > (200 if way == "install" else 100)
    # Not all of it was the standard library's.
    assert synchronous > 20
    assert asynchronous > 0
