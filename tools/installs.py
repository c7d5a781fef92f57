"""
Install the package as its users do, and try it: ``python tools/installs.py [extras] [floors] [sdist]``.

- extras: with each Python, each extra alone keeps its promise, and what needs another one says so.
- floors: with the oldest Python, the tests pass with the oldest dependencies that pyproject.toml allows.
- sdist: with the newest Python, the sdist passes its own tests.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from package import PROJECT, ROOT, build, one, unpack

MINORS: Final = re.findall(r"(?m)^Programming Language :: Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]))
PYTHONS: Final = [python for minor in MINORS if (python := shutil.which(f"python{minor}"))]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]
ALL: Final = f"[{','.join(EXTRAS)}]"
TESTS: Final[list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["tests"]
PROMISES: Final = ("-P", "-W", "error", str(ROOT / "tools" / "promises.py"))
PYTEST: Final = ("-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--share=covered", "tests")


def extras(built: Path, scratch: Path) -> None:
    """Try each Python with each extra, and with none."""
    wheel = one(built, "*.whl")
    for python in PYTHONS:
        for extra in ("", *EXTRAS):
            place = environment(python, scratch / "extras", [f"{wheel}[{extra}]" if extra else str(wheel)])
            run(place, "-m", "pip", "check")
            broken = [promise for promise in ("core", *EXTRAS) if not as_told(place, promise, extra)]
            print(f"{python} [{extra}]:", f"broken: {broken}" if broken else "kept", flush=True)
            if broken:
                sys.exit(1)
        place = environment(python, scratch / "extras", [str(wheel), "pytest"])
        run(place, *PROMISES, "plugins")


def as_told(place: Path, promise: str, extra: str) -> bool:
    """
    Tell whether *promise* is kept where it has to be, with its *extra*.

    With another one it may be kept, because extras share dependencies; or one line says what to install.
    """
    result = subprocess.run([place, *PROMISES, promise], check=False, capture_output=True, text=True, timeout=60)
    if not result.returncode:
        return True
    last = result.stderr.rstrip().rpartition("\n")[2]
    print(f"    {last}")
    return promise not in {"core", extra} and f"pip install 'vendorauth[{promise}]'" in last


def floors(built: Path, scratch: Path) -> None:
    """Test with the oldest dependencies."""
    oldest = scratch / "floors.txt"
    needed = [*PROJECT["dependencies"], *(need for some in EXTRAS.values() for need in some)]
    oldest.write_text("\n".join(need.replace(">=", "==") for need in needed), "utf-8")
    wheel = one(built, "*.whl")
    place = environment(PYTHONS[0], scratch / "floors", ["-c", str(oldest), f"{wheel}{ALL}", *TESTS])
    run(place, *PYTEST, cwd=unpack(one(built, "*.tar.gz"), scratch / "tests"))


def sdist(built: Path, scratch: Path) -> None:
    """Test what is in the sdist by what is in it."""
    source = unpack(one(built, "*.tar.gz"), scratch / "sdist")
    place = environment(PYTHONS[-1], scratch / "newest", [f"{source}{ALL}", *TESTS])
    run(place, *PYTEST, cwd=source)


def environment(python: str, folder: Path, needed: Sequence[str]) -> Path:
    """Make a virtual environment with what is *needed*, and give its Python."""
    subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
    place = folder / "bin" / "python"
    run(place, "-m", "pip", "install", "-q", *needed)
    return place


def run(python: Path, *arguments: str, **how: Any) -> None:
    """Run that Python."""
    subprocess.run([python, *arguments], check=True, **how)


PARTS: Final[dict[str, Callable[[Path, Path], None]]] = {"extras": extras, "floors": floors, "sdist": sdist}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        build(ROOT, Path(temporary, "built"))
        for part in sys.argv[1:] or PARTS:
            PARTS[part](Path(temporary, "built"), Path(temporary))
