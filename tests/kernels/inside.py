"""What a machine does: it makes the file system that it is for, asks for everything, and runs the programs it was given.

Its answers are JSON, a line each, on the second serial port; what is written for people goes to the first.
"""

import json
import os
import re
import subprocess
import time
from pathlib import Path

GIVEN = Path("/given")
WORK = Path("/work")
MAKE = {"ext4": "mkfs.ext4 -q", "xfs": "mkfs.xfs -q", "btrfs": "mkfs.btrfs -q"}
FAILED = re.compile(r"^test (.+) \.\.\. FAILED$", re.M)
SKIPPED = re.compile(r"SKIPPED: (.*)")
PASSED = re.compile(r"^test result: .*? (\d+) passed", re.M)


def where(process: int) -> str:
    """In which system call, and where in the kernel, each thread of a process is."""
    threads = sorted(Path(f"/proc/{process}/task").iterdir())
    return "\n".join(f"{thread.name}: " + (thread / "syscall").read_text() + (thread / "stack").read_text() for thread in threads)


def run(command: list[str], seconds: float) -> tuple[int, str]:
    """Its status and all it printed; 124 if it takes longer."""
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=WORK, text=True, errors="replace")
    try:
        text, _ = done.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        hangs = where(done.pid)
        done.kill()
        return 124, done.communicate()[0] + hangs
    return done.returncode, text


def make_old_xfs() -> None:
    """mkfs.xfs makes what today's kernels mount. Of what older ones do it has lists: the newest that is not too new is for here."""
    release = re.compile(r"(\d+)\.(\d+)")
    lists = {release.search(path.name).groups(): path for path in Path("/usr/share/xfsprogs/mkfs").glob("lts_*.conf")}
    lists = {tuple(map(int, numbers)): path for numbers, path in lists.items()}
    this = tuple(map(int, release.search(os.uname().release).groups()))
    # It must not be said twice, and a test says it.
    options = lists[max(each for each in lists if each <= this)].read_text().replace("reflink=1\n", "")
    Path("/run/xfs.conf").write_text(options)
    tool = Path("/run/bin/mkfs.xfs")
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\nexec /usr/sbin/mkfs.xfs -c options=/run/xfs.conf "$@"\n')
    tool.chmod(0o755)
    os.environ["PATH"] = f"{tool.parent}:{os.environ['PATH']}"


def test(program: Path, seconds: float) -> dict[str, object]:
    """One of Rust's test programs."""
    began = time.monotonic()
    status, text = run([str(program), "--show-output"], seconds)
    passed = PASSED.search(text)
    answer = {"status": status, "passed": int(passed[1]) if passed else 0, "failed": FAILED.findall(text)}
    answer |= {"skipped": sorted(set(SKIPPED.findall(text))), "seconds": round(time.monotonic() - began)}
    return answer | ({"text": text[-20000:]} if status else {})


def smoke(command: list[str], seconds: float) -> dict[str, object]:
    """A few lines of another language."""
    began = time.monotonic()
    status, text = run(command, seconds)
    answer = {"status": status, "passed": 1 if status == 0 else 0, "failed": []}
    answer |= {"skipped": sorted(set(SKIPPED.findall(text)))}
    return answer | {"seconds": round(time.monotonic() - began)} | ({"text": text[-20000:]} if status else {})


def tell(answer: dict[str, object]) -> None:
    print(str(answer)[:2000], flush=True)
    with open("/dev/ttyS1", "w") as port:
        print(json.dumps(answer), file=port)


def main() -> None:
    task = json.loads((GIVEN / "task.json").read_text())
    make_old_xfs()
    subprocess.run([*MAKE[task["file_system"]].split(), "/dev/vdc"], check=True)
    subprocess.run(["mount", "-t", task["file_system"], "/dev/vdc", WORK], check=True)
    os.environ |= {"TMPDIR": str(WORK), "PYTHONPATH": str(GIVEN / "python"), "RUST_BACKTRACE": "1", "LANG": "C.UTF-8"}
    probed = subprocess.run([GIVEN / "zcio", "probe", "--json", WORK], check=True, capture_output=True, text=True).stdout
    tell({"release": os.uname().release, "probe": json.loads(probed)})
    commands = {f"python_{name}": ["python3", str(GIVEN / f"{name}.py"), str(WORK)] for name in ("smoke", "ktls")}
    for jdk in sorted(Path("/opt").iterdir()):
        options = ["-Xmx64m", "-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=/run"]
        java = [str(jdk / "bin/java"), *options, "-cp", f"{GIVEN}/zcio.jar:{GIVEN}"]
        commands[f"java_{jdk.name}"] = [*java, "Smoke", str(WORK)]
        commands[f"ktls_java_{jdk.name}"] = [*java, "Ktls", str(WORK), str(GIVEN)]
    seconds = task["seconds"]
    for name in task["programs"]:
        command = commands.get(name)
        tell({"program": name} | (smoke(command, seconds) if command else test(GIVEN / "programs" / name, seconds)))


main()
