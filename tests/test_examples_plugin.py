"""Run the documentation's tests as a reader would: with the plugin that pytest finds, and each way to run async tests."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "docs" / "examples" / "test_with_fixtures.py").read_text(encoding="utf-8")
MARK = "pytestmark = pytest.mark.asyncio\n"
ANYIO = """pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
"""
SCOPE = "-oasyncio_default_fixture_loop_scope=function"  # left out, it warns
PYTEST = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
NOTHING = """import sys

def test_it() -> None:
    assert "vendorauth.testing._server" not in sys.modules
"""


class Project:
    """Be somebody's project, where this package is installed as far as pytest can tell."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        metadata = home / "vendorauth-0.0.dist-info"
        metadata.mkdir()
        with (ROOT / "pyproject.toml").open("rb") as file:
            ((name, module),) = tomllib.load(file)["project"]["entry-points"]["pytest11"].items()
        (metadata / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vendorauth\nVersion: 0.0\n")
        (metadata / "RECORD").write_text("vendorauth/__init__.py,,\n")

    def test(self, text: str, *options: str, code: str = PYTEST, alone: bool = True) -> tuple[int, str]:
        """Run pytest on a file with this *text*, with all installed plugins unless *alone*; give exit code and output."""
        (self.home / "test_it.py").write_text(text, encoding="utf-8")
        path = os.pathsep.join([str(self.home), *filter(None, sys.path)])
        autoload = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if alone else {}
        done = subprocess.run(
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                "-c",
                code,
                "-q",
                "-pno:cacheprovider",
                *options,
                "test_it.py",
            ],
            check=False,
            cwd=self.home,
            env={**os.environ, "PYTHONPATH": path, **autoload},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
        )
        return done.returncode, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        pytest.param(MARK, ["-pasyncio", SCOPE], id="pytest-asyncio-strict"),
        pytest.param("", ["-pasyncio", SCOPE, "-oasyncio_mode=auto"], id="pytest-asyncio-auto"),
        pytest.param(ANYIO, ["-panyio"], id="anyio"),
    ],
)
def test_each_way_to_run_async_tests(project: Project, mark: str, options: list[str]) -> None:
    """The tests of "test_with_fixtures.py" pass, and warn of nothing."""
    assert MARK in EXAMPLE
    code, output = project.test(EXAMPLE.replace(MARK, mark), "-pvendorauth", *options)
    assert (0, True) == (code, "7 passed" in output), output


def test_in_a_project_that_does_not_use_it(project: Project) -> None:
    """It is found without a word, loads nothing, and does not mind that the package was imported before pytest."""
    code, output = project.test(NOTHING, SCOPE, code=f"import vendorauth; {PYTEST}", alone=False)
    assert (0, True) == (code, "1 passed" in output), output


def test_it_can_be_left_out(project: Project) -> None:
    """``-p no:vendorauth`` leaves no fixture."""
    code, output = project.test("def test_it(fake_proglove): ...", SCOPE, "-pno:vendorauth", alone=False)
    assert (1, True) == (code, "fixture 'fake_proglove' not found" in output), output
