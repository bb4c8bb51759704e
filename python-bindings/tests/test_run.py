"""``python -m zcio run``: a program is run as ``python`` runs it, and copies zcio's way."""

import http.client
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from support import content

SHOWS = textwrap.dedent("""
    import __main__, atexit, os, pickle, shutil, sys, threading
    class Here: pass
    def last():
        threading.main_thread().join()
        print(pickle.loads(pickle.dumps(Here())).__class__ is Here, sys.argv)
    threading.Thread(target=last).start()
    atexit.register(lambda: print(__main__.Here is Here))
    print(sys.argv, sys.path[0], __name__, __file__, __package__, __spec__ and __spec__.name, type(__loader__).__name__)
    print(sorted(vars(__main__)))
    sys.stderr.write(type(shutil._fastcopy_sendfile).__name__)
    sys.exit(int(sys.argv[1]))
""")
RUN = [sys.executable, "-m", "zcio", "run"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    for name in ("program.py", "folder/__main__.py", "folder/__init__.py", "folder/module.py"):
        (tmp_path / name).write_text(SHOWS if "init" not in name else "")
    (tmp_path / "link.py").symlink_to("folder/module.py")
    with zipfile.ZipFile(tmp_path / "packed", "w") as packed:
        packed.writestr("__main__.py", SHOWS)
    return tmp_path


def output(command: list[str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "program",
    ["program.py", "./folder/module.py", "link.py", "folder", "packed", "-m folder", "-m folder.module"],
)
def test_it_is_run_as_python_runs_it(program: str, folder: Path) -> None:
    arguments = [*program.split(), "3", "--flag", "-m"]
    theirs = output([sys.executable, *arguments], folder)
    assert theirs[0] == 3, theirs
    assert output([*RUN, *arguments], folder) == theirs
    script = [str(Path(sys.executable).with_name("zcio")), "run"]
    assert output([*script, *arguments], folder) == theirs


def test_what_cannot_be_run(folder: Path) -> None:
    (folder / "failing.py").write_text("raise KeyError('here')")
    status, _, said = output([*RUN, "failing.py"], folder)
    assert (status, said.splitlines()[-1]) == (1, "KeyError: 'here'")
    assert f'File "{folder}/failing.py", line 1, in <module>' in said
    status, _, said = output([*RUN, "none.py"], folder)
    assert status == 1
    assert "none.py" in said.splitlines()[-1]
    for arguments in ([], ["-m"], ["-x"]):
        status, shown, said = output([*RUN, *arguments], folder)
        assert (status, shown, said[:6]) == (2, "", "usage:")
    assert output([*RUN, "--help"], folder)[0] == 0


def test_a_tree_is_copied(folder: Path) -> None:
    """A real one, the standard library's own package of encodings and its cache."""
    (folder / "copying.py").write_text("import shutil, sys; print(shutil.copytree(sys.argv[1], sys.argv[2]))")
    source = Path(os.__file__).parent / "encodings"
    for command, name in (([sys.executable], "theirs"), (RUN, "ours")):
        assert output([*command, "copying.py", str(source), name], folder) == (0, f"{name}\n", "")
    same = subprocess.run(["diff", "-r", "theirs", "ours"], cwd=folder, capture_output=True, check=False)
    assert (same.returncode, same.stdout) == (0, b"")
    times = [
        sorted((path.name, path.stat().st_mtime_ns, path.stat().st_mode) for path in (folder / name).rglob("*"))
        for name in ("theirs", "ours")
    ]
    assert times[0] == times[1]


def test_the_standard_librarys_server(folder: Path) -> None:
    data = content(3_000_000)
    (folder / "data").write_bytes(data)
    command = [*RUN, "-m", "http.server", "0", "--bind", "127.0.0.1"]
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=unbuffered, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split(" port ")[1].split()[0])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/data")
            assert connection.getresponse().read() == data
            connection.close()
        finally:
            server.terminate()


def test_an_aiohttp_server_on_uvloop(folder: Path) -> None:
    pytest.importorskip("aiohttp")
    data = content(3_000_000)
    (folder / "data").write_bytes(data)
    (folder / "serve.py").write_text(
        textwrap.dedent("""
            import asyncio, sys
            import uvloop
            from aiohttp import ClientSession, web

            async def main():
                app = web.Application()
                app.router.add_static("/", ".")
                runner = web.AppRunner(app)
                await runner.setup()
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port = site._server.sockets[0].getsockname()[1]
                async with ClientSession() as session:
                    for headers in ({}, {"Range": "bytes=5-1000000"}):
                        async with session.get(f"http://127.0.0.1:{port}/data", headers=headers) as response:
                            sys.stdout.buffer.write(await response.read())
                await runner.cleanup()

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main())
        """)
    )
    done = subprocess.run([*RUN, "serve.py"], cwd=folder, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data + data[5:1_000_001]


def test_a_child_that_is_forked_has_it(folder: Path) -> None:
    (folder / "forking.py").write_text(
        textwrap.dedent("""
            import multiprocessing, os, shutil
            def copy(name):
                assert hasattr(shutil._fastcopy_sendfile, "__wrapped__")
                shutil.copyfile(__file__, name)
            if __name__ == "__main__":
                for way in ("fork", "spawn"):
                    context = multiprocessing.get_context(way)
                    child = context.Process(target=copy if way == "fork" else print, args=(way,))
                    child.start()
                    child.join()
                    print(child.exitcode)
        """)
    )
    assert output([*RUN, "forking.py"], folder) == (0, "0\nspawn\n0\n", "")
    assert (folder / "fork").read_bytes() == (folder / "forking.py").read_bytes()
    assert shutil.which("python")


def test_pip_builds_a_wheel(folder: Path) -> None:
    """By a backend of the project's own, so that nothing is fetched."""
    pytest.importorskip("pip")
    project = folder / "project"
    (project / "package").mkdir(parents=True)
    (project / "package" / "__init__.py").write_bytes(content(3_000_000))
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (project / "backend.py").write_text(
        textwrap.dedent("""
            import pathlib, zipfile
            def build_wheel(folder, settings=None, metadata=None):
                name, info = "package-1-py3-none-any.whl", "package-1.dist-info/"
                with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
                    wheel.write("package/__init__.py")
                    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: package\\nVersion: 1\\n")
                    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
                    wheel.writestr(info + "RECORD", "")
                return name
        """)
    )
    pip = ["-m", "pip", "wheel", "--quiet", "--no-index", "--no-build-isolation", "--wheel-dir"]
    for command, name in (([sys.executable], "theirs"), (RUN, "ours")):
        assert output([*command, *pip, name, str(project)], folder)[0] == 0
    assert [path.name for path in (folder / "ours").iterdir()] == ["package-1-py3-none-any.whl"]
    built = [zipfile.ZipFile(folder / name / "package-1-py3-none-any.whl") for name in ("theirs", "ours")]
    contents = [[(entry.filename, wheel.read(entry)) for entry in wheel.infolist()] for wheel in built]
    assert contents[0] == contents[1]
