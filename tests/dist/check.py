"""What `make dist` made, looked at from outside: nothing in it is run. tests/dist/run calls it with the build's tools.

Each binary asks for no newer glibc than 2.17, for nothing but the C library, and says nothing of the machine it was
built on; each package has its licences, and its metadata is what its registry accepts.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
VERSION = subprocess.check_output([ROOT / ".ci/version"], text=True).strip()
GLIBC = (2, 17)
MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
# The C library's own parts; another library would have to be there first.
NEEDED = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"}
NEEDED |= {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
LICENCES = {"LICENSE-MIT", "LICENSE-APACHE"}


def members(data: bytes, name: str) -> dict[str, bytes]:
    """The files of an archive, as it names them."""
    if name.endswith((".whl", ".jar")):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        read = {entry.name: archive.extractfile(entry) for entry in archive if entry.isfile()}
        return {path: file.read() for path, file in read.items() if file}


def check_binary(name: str, data: bytes, arch: str) -> None:
    elf = ELFFile(io.BytesIO(data))
    assert elf["e_machine"] == MACHINES[arch], (name, elf["e_machine"])
    newest = (0,)
    for section in elf.iter_sections():
        assert section.name != ".symtab", f"{name} has symbols"
        if isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                glibc = [version.name[6:] for version in versions if version.name.startswith("GLIBC_")]
                newest = max([newest, *(tuple(map(int, number.split("."))) for number in glibc)])
    assert newest <= GLIBC, f"{name} needs glibc {newest}"
    assert not nowhere(elf), f"{name} needs functions that glibc {GLIBC} has not: {nowhere(elf)}"
    needed = {tag.needed for tag in elf.get_section_by_name(".dynamic").iter_tags("DT_NEEDED")}
    assert needed <= NEEDED, f"{name} needs {needed - NEEDED}"
    for path in (str(ROOT), os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")), "/rustlib/src/"):
        assert path.encode() not in data, f"{name} says {path}"
    print(f"{name}: glibc {'.'.join(map(str, newest))}, {len(data) >> 10} KiB, {', '.join(sorted(needed))}")


def nowhere(elf: ELFFile) -> set[str]:
    """What it asks for, and no library had when it was linked: that is no error for a library, until it is loaded."""
    versions = elf.get_section_by_name(".gnu.version")
    found = set()
    for index, symbol in enumerate(elf.get_section_by_name(".dynsym").iter_symbols()):
        is_asked = symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL"
        if is_asked and versions.get_symbol(index)["ndx"] in {"VER_NDX_LOCAL", "VER_NDX_GLOBAL"}:
            found.add(symbol.name)
    # The interpreter has these.
    return {name for name in found if not name.startswith(("Py", "_Py"))}


def check_archive(path: Path) -> dict[str, bytes]:
    """The binaries in it are of the processors that its name says, or of both, and the licences are there."""
    name = path.name.replace("aarch_64", "aarch64")
    arches = {arch for arch in MACHINES if arch in name} or set(MACHINES)
    files = members(path.read_bytes(), path.name)
    found = set()
    for inside, data in files.items():
        if data.startswith(b"\x7fELF"):
            arch = next(arch for arch in sorted(arches) if len(arches) == 1 or arch in inside)
            check_binary(f"{path.name} {inside}", data, arch)
            found.add(arch)
    is_binary = path.suffix in {".whl", ".xz"} or (path.parent.parent.name == "zcio" and not is_extra(path))
    assert found == (arches if is_binary else set()), (path.name, found)
    ends = {Path(inside).name for inside in files}
    wanted = LICENCES | ({"LICENSES-OF-CRATES.txt"} if is_binary else set())
    assert is_extra(path) or wanted <= ends, (path.name, wanted - ends)
    return files


def is_extra(path: Path) -> bool:
    return path.stem.endswith(("-sources", "-javadoc"))


def check_wheel(path: Path) -> None:
    files = check_archive(path)
    (text,) = (data for name, data in files.items() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(text.decode())
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert set(metadata.get_all("License-File")) == LICENCES | {"LICENSES-OF-CRATES.txt"}
    for unwanted in ("Requires-Dist", "Provides-Extra"):
        assert metadata[unwanted] is None, unwanted
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    assert "pip install zcio" in metadata.get_payload()
    links = {url.split(",")[0] for url in metadata.get_all("Project-URL")}
    assert links >= {"Repository", "Documentation", "Changelog"}, links
    assert any(name.endswith(".cdx.json") or ".cyclonedx.json" in name for name in files), "no bill of materials"
    shown = subprocess.check_output([sys.executable, "-m", "auditwheel", "show", path], text=True)
    assert 'platform tag: "manylinux_2_17_' in " ".join(shown.split()), shown
    subprocess.run([Path(sys.executable).with_name("abi3audit"), "--strict", path], check=True)


def check_pom(path: Path) -> None:
    pom = path.read_text()
    for unwanted in ("<parent>", "${", "junit"):
        assert unwanted not in pom, (path, unwanted)
    for element in ("name", "description", "url", "licenses", "developers", "scm"):
        assert f"<{element}" in pom, (path, element)


def check_sums() -> None:
    listed = dict(reversed(line.split("  ", 1)) for line in (DIST / "SHA256SUMS").read_text().splitlines())
    there = {str(path.relative_to(DIST)) for path in DIST.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert set(listed) == there, set(listed) ^ there
    for name, total in listed.items():
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == total, name


def main() -> None:
    check_sums()
    wheels, commands = sorted(DIST.glob("*.whl")), sorted(DIST.glob("*.tar.xz"))
    assert len(wheels) == len(commands) == len(MACHINES)
    for path in wheels:
        check_wheel(path)
    sources = [DIST / f"zcio-{VERSION}.tar.gz", DIST / f"zcio-{VERSION}.crate"]
    for path in [*commands, *sources]:
        check_archive(path)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *wheels, sources[0]], check=True)
    jars = sorted((DIST / "maven").rglob("*.jar"))
    kinds = ("", "-sources", "-javadoc")
    wanted = {f"zcio-{VERSION}{kind}.jar" for kind in (*kinds, "-linux-x86_64", "-linux-aarch_64")}
    wanted |= {f"zcio-netty-{VERSION}{kind}.jar" for kind in kinds}
    assert {path.name for path in jars} == wanted, wanted ^ {path.name for path in jars}
    for path in jars:
        check_archive(path)
        subprocess.run([os.environ["JAR"], "--validate", "--file", path], check=True)
    poms = sorted((DIST / "maven").rglob("*.pom"))
    assert len(poms) == 3
    for path in poms:
        check_pom(path)


main()
