"""
Build the sdist and the wheel, and check them: ``python tools/package.py FOLDER``.

Both are built twice, the second time from the unpacked sdist: elsewhere, with other rights for new files, in another time
zone. They have to be the same, byte by byte. If the variable ``BUILT`` names a folder where both are, these
are copied and checked, and nothing is built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LIMITS: Final = {".whl": 350_000, ".gz": 900_000}
"""Bytes: what is not code, docs and tests, such as plots and results, must not slip in."""
PLACES: Final = frozenset({".github", "benchmarks", "docs", "sdk", "tests", "tools", "typings"})
ELSEWHERE: Final = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "1"}


def main(folder: Path, built: str) -> None:
    """Build into *folder*, or copy from *built*, and check what is there."""
    clear(folder)
    if built:
        shutil.copytree(built, folder, dirs_exist_ok=True)
    else:
        build(ROOT, folder)
    sdist, wheel = one(folder, "*.tar.gz"), one(folder, "*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        source = unpack(sdist, Path(scratch))
        if not built:
            again = Path(scratch, "again")
            build(source, again, env=os.environ | ELSEWHERE, umask=0o077)
            for first in (sdist, wheel):
                expect(first.read_bytes() == (again / first.name).read_bytes(), f"{first.name} is built differently")
        check_sdist(source)
        check_wheel(wheel, source / "sdk")
    run("twine", "check", "--strict", str(sdist), str(wheel))
    for file in (sdist, wheel):
        size = file.stat().st_size
        expect(size <= LIMITS[file.suffix], f"{file.name} has {size:,} bytes")
        print(f"{file.name}: {size:,} bytes")


def clear(folder: Path) -> None:
    """Remove from *folder* what was built before."""
    for pattern in ("*.tar.gz", "*.whl"):
        for file in folder.glob(f"{PROJECT['name']}-{pattern}"):
            file.unlink()


def build(source: Path, folder: Path, **how: Any) -> None:
    """Build both from *source*; hatchling takes the time from ``SOURCE_DATE_EPOCH``, or the same day in 2020."""
    run("hatchling", "build", "-d", str(folder), cwd=source, **how)


def run(*module: str, **how: Any) -> None:
    """Run a module of this Python, and show what it says only if it fails."""
    result = subprocess.run(
        [sys.executable, "-m", *module], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **how
    )
    expect(result.returncode == 0, result.stdout)


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack *sdist*, and say where."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


def check_sdist(source: Path) -> None:
    """Expect what builds, tests and explains the package, and no pictures, and no results but what tests read."""
    folders = {path.name for path in source.iterdir() if path.is_dir()}
    expect(folders == PLACES, f"the sdist has the folders {sorted(folders)}")
    others = [path.name for path in source.rglob("*") if path.suffix in {".png", ".pyc", ".svg"}]
    others += {path.name for path in (source / "benchmarks" / "results").iterdir()} - {"fleet.json", "simulate.json"}
    expect(not others, f"the sdist has {others}")


def check_wheel(wheel: Path, sources: Path) -> None:
    """Expect the package as it is in *sources*, typed, and metadata that are true."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    information = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    package = {name: content for name, content in files.items() if not name.startswith(information)}
    expected = {str(path.relative_to(sources)): path.read_bytes() for path in sources.rglob("*") if path.is_file()}
    expect(package == expected, f"the wheel differs: {sorted(package.keys() ^ expected.keys())}")
    expect("vendorauth/py.typed" in package, "the wheel is not typed")
    names = {name.removeprefix(information) for name in files.keys() - package.keys()}
    told = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    expect(names == told, f"the wheel's metadata are {sorted(names)}")
    check_metadata(message_from_bytes(files[f"{information}METADATA"]))


def check_metadata(metadata: Message) -> None:
    """Expect the version of the code, and what pyproject.toml says."""
    scope: dict[str, str] = {}
    exec((ROOT / "sdk/vendorauth/_version.py").read_text("utf-8"), scope)  # noqa: S102  two lines of ours
    expect(metadata["Version"] == scope["__version__"], f"the wheel is version {metadata['Version']}")
    extras = metadata.get_all("Provides-Extra", [])
    expect(set(extras) == set(PROJECT["optional-dependencies"]), f"the wheel has the extras {extras}")
    expect(metadata.get_all("Classifier") == PROJECT["classifiers"], "the wheel has other classifiers")


def one(folder: Path, pattern: str) -> Path:
    """Find the one file in *folder* that is called so."""
    found = list(folder.glob(pattern))
    expect(len(found) == 1, f"{folder} has {len(found)} {pattern}")
    return found[0]


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001  an assertion
    """End with what is wrong."""
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), os.environ.get("BUILT", ""))
