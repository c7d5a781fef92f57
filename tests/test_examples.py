"""Run every example of the documentation and README against the fakes, as a reader would: in a process of its own."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vendorauth.cli.sandbox import environment
from vendorauth.testing import FakeProGlove, FakeProtogrid

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Reader:
    """Try examples out, with the fakes' addresses in the environment."""

    def __init__(self, glove: FakeProGlove, grid: FakeProtogrid, home: Path) -> None:
        self.glove = glove
        self.grid = grid
        self.variables = {**os.environ, **environment(glove, grid), "HOME": str(home), "STATE_DIRECTORY": str(home)}

    async def python(self, *arguments: str | Path) -> tuple[int | None, str, str]:
        """Run Python; give exit code, output and errors."""
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", *arguments, stdout=pipe, stderr=pipe, env=self.variables
        )
        output, errors = await child.communicate()
        return child.returncode, output.decode(), errors.decode()

    async def run(self, name: str) -> str:
        """Run an example that works; give its output."""
        code, output, errors = await self.python(EXAMPLES / name)
        assert (0, "") == (code, errors)
        return output


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        yield Reader(glove, grid, tmp_path)


async def test_proglove(reader: Reader) -> None:
    """It lists what is there; a second run has the token from the file."""
    for _ in range(2):
        output = await reader.run("proglove.py")
        assert output.startswith("2 gateways\nM2MR101000000 93 ONLINE\n")
        assert 6 == len(output.splitlines())
    assert (1, 0) == (reader.glove.count.logins, reader.glove.count.refreshes)


async def test_protogrid(reader: Reader) -> None:
    """It lists what is there; a second run has the cookie from the file."""
    for _ in range(2):
        output = await reader.run("protogrid.py")
        assert output.startswith("Protogrid 2.6.0\nappc55b3773-")
        assert 3 == len(output.splitlines())
    assert 1 == reader.grid.count.logins


async def test_staying_logged_in(reader: Reader) -> None:
    """It tells of each renewal, and no call fails."""
    reader.glove.token_life = 2.0
    lines = (await reader.run("staying_logged_in.py")).splitlines()
    assert "renewed by login" == lines[0].partition(",")[0]
    assert {"renewed by refresh"} == {line.partition(",")[0] for line in lines[1:]}


async def test_a_service_with_the_refresh_token_of_a_login(reader: Reader) -> None:
    """One prints the refresh token that the other needs, which works without a password and after a restart."""
    refresh_token = (await reader.run("get_refresh_token.py")).strip()
    reader.glove.count.reset()
    for name in ("PROGLOVE_USERNAME", "PROGLOVE_PASSWORD"):
        del reader.variables[name]
    reader.variables |= {"PROGLOVE_REFRESH_TOKEN": refresh_token, "PROGLOVE_ACCOUNT": "importer"}
    for _ in range(2):
        assert 11 <= len((await reader.run("service.py")).splitlines()) <= 12
    count = reader.glove.count
    assert (0, 1, 0) == (count.logins, count.refreshes, count.password_attempts)


async def test_start_up_that_works(reader: Reader) -> None:
    """It serves, and a restart does not log in again."""
    for _ in range(2):
        assert "serving\n" == await reader.run("start_up.py")
    assert 1 == reader.glove.count.logins


async def test_start_up_with_a_wrong_password(reader: Reader) -> None:
    """It says so and ends; started again and again, it sends the password once."""
    reader.variables["PROGLOVE_PASSWORD"] = "wrong"
    for _ in range(3):
        code, output, errors = await reader.python(EXAMPLES / "start_up.py")
        assert (1, "") == (code, output)
        assert errors.splitlines()[-1].startswith("somebody has to look at this: InvalidCredentials(")
    assert 1 == reader.glove.count.password_attempts


async def test_start_up_while_the_vendor_is_down(reader: Reader) -> None:
    """It starts all the same."""
    reader.glove.throttled = True
    code, output, logged = await reader.python(EXAMPLES / "start_up.py")
    lines = output.splitlines()
    assert (0, True) == (code, "no token serves meanwhile" in logged)
    assert lines[0].startswith("starting all the same: AuthServiceUnavailable(")
    assert "serving" == lines[1]


async def test_the_tests_of_an_application(reader: Reader) -> None:
    """They pass under plain pytest."""
    flags = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-c", os.devnull, "--rootdir", EXAMPLES)
    code, output, errors = await reader.python("-m", "pytest", *flags, EXAMPLES / "test_scanners.py")
    assert (0, "") == (code, errors), output
    assert "2 passed" in output


def test_every_example_is_run_here() -> None:
    """No example is without a test, and none is without a page."""
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_examples*.py"))
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert names == [name for name in names if f'"{name}"' in tests and f"examples/{name}\n" in pages]


def test_the_examples_in_readme_are_those_of_the_documentation() -> None:
    """What README shows is what is run here."""
    shown = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [(EXAMPLES / name).read_text(encoding="utf-8") for name in ("proglove.py", "protogrid.py")] == shown


async def test_pool(reader: Reader) -> None:
    """It serves several customers at once; what one of them is refused concerns that one only."""
    reader.variables["CUSTOMERS"] = f"{reader.glove.customer_id} other001"
    code, output, logged = await reader.python(EXAMPLES / "pool.py")
    lines = sorted(output.splitlines())
    assert (0, True) == (code, "renewing" in logged and "other001|" in logged)
    assert f"{reader.glove.customer_id}: " in lines[0] + lines[1]
    assert 2 == len(lines)
