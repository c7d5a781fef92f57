"""No secret in what leaves the process: what tools print, output, file names, arguments, environment (DESIGN 7)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import _secret_paths
import _secret_paths_api
from _marks import BODY, CODE, PASSWORD, SENT, leaks, page
from _planted import DEVICES, PATHS, planted, raised
from vendorauth import Challenge, FileTokenStore
from vendorauth.cli import demo
from vendorauth.testing import FakeProGlove, FakeProtogrid

PLACES = (_secret_paths, _secret_paths_api)
"""What fills PATHS when it is imported."""

HERE = Path(__file__).parent

FAILING = """
import pytest
from _planted import PATHS, planted
import _secret_paths, _secret_paths_api

@pytest.mark.parametrize("name", {names!r})
async def test_it(name):
    async with planted() as world:
        await PATHS[name][1](world)
        raise AssertionError("nothing was raised")
"""

CRASH = """
import sys
from vendorauth.cli import demo, main
from vendorauth.tokens import PasswordCredentials

def crash(*arguments):
    credentials, password = PasswordCredentials("jane", {password!r}), {password!r}
    raise ZeroDivisionError("a bug")

demo._tell = crash
sys.argv = ["vendorauth", "demo"]
main()
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python, with the package and the tests where this process has them."""
    paths = os.pathsep.join([str(HERE), *(path for path in sys.path if path)])
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "3000", **environment},
    )


@pytest.mark.parametrize("name", ["api_forbids", "cancelled_mid_request", "wrong_model", "bug_in_a_flows_absorb"])
async def test_richs_page(name: str) -> None:
    """DESIGN 7: a traceback with locals, printed whole by rich, shows no secret."""
    async with planted() as world:
        shown = page(await raised(PATHS[name][1], world))
        assert "locals" in shown
        assert set() == leaks(shown, world.secrets)


def test_pytests_report(tmp_path: Path) -> None:
    """DESIGN 7: pytest --showlocals, at its most talkative, shows none of the secrets that were planted."""
    names = ["wrong_code", "api_does_not_know_it", "timeout_of_a_user", "wrong_model", "disk_that_fails"]
    test = tmp_path / "test_it.py"
    test.write_text(FAILING.format(names=names))
    options = ("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--showlocals", "-vvv", "--tb=long")
    result = run("-m", "pytest", *options, f"--rootdir={tmp_path}", str(test))
    assert f"{len(names)} failed" in result.stdout
    assert "world      = <_planted.Planted object" in result.stdout
    # What stands in the tests' own source is shown as such: none of these is a literal there.
    assert set() == leaks(result.stdout + result.stderr, (PASSWORD, CODE, BODY, SENT))


def test_the_commands_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 7: the command shows neither passwords nor what the vendors issued."""
    made: list[FakeProGlove | FakeProtogrid] = []

    def making(kind: type[Any]) -> Callable[[], Any]:
        def make() -> Any:
            made.append(kind())
            return made[-1]

        return make

    for kind in (FakeProGlove, FakeProtogrid):
        monkeypatch.setattr(demo, kind.__name__, making(kind))
    output = io.StringIO()
    assert [] == demo.show(Console(file=output, width=4000))
    secrets = {demo.WRONG, *(fake.password for fake in made), *(secret for fake in made for secret in fake.issued)}
    assert 8 <= len(secrets)
    assert set() == leaks(output.getvalue(), {secret[-20:] for secret in secrets})


def test_a_crash_of_the_command() -> None:
    """DESIGN 7: a bug in the command is told without locals, whatever is installed."""
    result = run("-c", CRASH.format(password=SENT), FORCE_COLOR="1")
    assert 1 == result.returncode
    assert "ZeroDivisionError" in result.stderr
    assert "a bug" in result.stderr
    assert "locals" not in result.stderr
    assert set() == leaks(result.stdout + result.stderr, [SENT])


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 7: names in the store tell nothing; every file, also a temporary one, is for its owner only."""
    replace, modes = os.replace, dict[str, int]()

    def looking(source: Any, target: Any, **options: Any) -> None:
        modes[Path(source).suffix] = stat.S_IMODE(Path(source).stat().st_mode)
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", looking)
    store, before = tmp_path / "store", os.umask(0)
    try:
        secrets = asyncio.run(logged_in_twice(store))
    finally:
        os.umask(before)
    paths = list(store.iterdir())
    (record,) = (path for path in paths if path.suffix == ".json")
    assert leaks(record.read_text(), secrets)
    assert set() == leaks("\n".join(map(str, paths)), secrets)
    assert [store] == list(tmp_path.iterdir())
    if os.name == "posix":
        assert {".tmp": 0o600} == modes
        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in paths}


async def logged_in_twice(store: Path) -> tuple[str, ...]:
    """Log in and renew, and give the secrets, the account's name among them."""
    async with planted() as world:
        world.glove.rotation = True
        client = world.proglove(store=FileTokenStore(store))
        await client.get(DEVICES)
        world.glove.expire_all()
        await client.get(DEVICES)
        return (*world.secrets, client.tokens.flow.account)


async def test_arguments_environment_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 7: a whole login starts no process, and changes neither arguments, environment nor names of threads."""
    for module, name in ((subprocess, "Popen"), (os, "system"), (os, "fork"), (os, "posix_spawn")):
        monkeypatch.delattr(module, name, raising=False)
    before = dict(os.environ), list(sys.argv)
    async with planted() as world:
        client = world.proglove(store=FileTokenStore(tmp_path))
        await client.get(DEVICES)
        threads = [repr(thread) for thread in threading.enumerate()]
        assert any("vendorauth-store" in thread for thread in threads)
        assert set() == leaks("\n".join(threads), world.secrets)
    assert before == (dict(os.environ), sys.argv)


async def test_stacks_of_tasks() -> None:
    """DESIGN 7: what asyncio prints of a task that hangs has no secret in it."""
    async with planted() as world:
        client = world.proglove()
        with world.glove.hold("login") as hold:
            call = asyncio.ensure_future(client.post(DEVICES, json={"pin": SENT}))
            await hold.arrived()
            told = io.StringIO()
            for task in asyncio.all_tasks():
                task.print_stack(file=told)
            call.cancel()
        assert "_request" in told.getvalue()
        assert set() == leaks(told.getvalue(), world.secrets)


def test_challenges_are_carried_on_purpose_only() -> None:
    """A challenge's hidden part is written by ``to_json`` alone, which is what a web backend keeps on its side."""
    challenge = Challenge(name="X", account="jane", hidden={"session": SENT})
    assert {SENT} == leaks(json.dumps(challenge.to_json()), [SENT])
