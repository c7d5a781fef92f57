"""Prove the command line itself: what it prints where it can't do its job, and how it exits."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import vendorauth
from vendorauth import ConfigurationError, TransportError
from vendorauth.cli import app, main

COMMAND = "from vendorauth.cli import main; main()"
WITHOUT_EXTRA = f"""
import sys
sys.modules[{{name!r}}] = None  # as good as not installed
{COMMAND}
"""


def run(*arguments: str, code: str = COMMAND, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, **environment},
    )


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run the command in this process."""
    monkeypatch.setattr(sys, "argv", ["vendorauth", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` says which one it is."""
    assert 0 == exit_code(monkeypatch, "--version")
    assert f"vendorauth {vendorauth.__version__}\n" == capsys.readouterr().out


def test_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` names every command."""
    assert 0 == exit_code(monkeypatch, "--help")
    told = capsys.readouterr().out
    assert "Usage: vendorauth" in told
    for command in ("demo", "key", "sandbox"):
        assert f"\n  {command} " in told


def test_help_imports_no_command() -> None:
    """``--help`` waits neither for rich's tables nor for the fakes' web server."""
    code = f"""
import sys
try:
    {COMMAND}
finally:
    print(sorted({{"rich.table", "aiohttp.web", "vendorauth.testing", "vendorauth.cli.demo"}} & sys.modules.keys()))
"""
    assert "[]" == run("--help", code=code).stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("--wrong",), ("wrong",), ("sandbox", "--token-life", "0"), ("demo", "more")])
def test_usage_errors_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """A command line that can't be right is exit code 2."""
    assert 2 == exit_code(monkeypatch, *arguments)
    assert "" == capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [TransportError("GET /devices: connection refused"), ConfigurationError("no"), OSError(98, "in use")]
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """What goes wrong is told in one line, without a traceback, and is exit code 1."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    assert 1 == exit_code(monkeypatch)
    assert f"vendorauth: {error}\n" == capsys.readouterr().err


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A sandbox whose port somebody else has says so in one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert 1 == exit_code(monkeypatch, "sandbox", "--protogrid-port", str(taken.getsockname()[1]))
    told = capsys.readouterr()
    assert ("", 1) == (told.out, len(told.err.splitlines()))
    assert told.err.startswith("vendorauth: ")


def test_mistakes_of_ours_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has foreseen keeps its traceback."""

    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(ZeroDivisionError):
        app.run()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the extra, one line tells what to install, and the exit code is 2."""
    monkeypatch.delitem(sys.modules, "vendorauth.cli.app")
    monkeypatch.delattr("vendorauth.cli.app")
    monkeypatch.setitem(sys.modules, "typer", None)
    assert 2 == exit_code(monkeypatch, "demo")
    assert "vendorauth: this command needs its extra: pip install 'vendorauth[cli]'\n" == capsys.readouterr().err


def test_a_broken_installation_is_not_taken_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another module that is missing is named as it is."""
    monkeypatch.delitem(sys.modules, "vendorauth.cli.app")
    monkeypatch.delattr("vendorauth.cli.app")
    monkeypatch.setitem(sys.modules, "vendorauth.errors", None)
    with pytest.raises(ModuleNotFoundError, match=r"vendorauth\.errors"):
        main()


def test_without_the_extra_for_real() -> None:
    """The same in a process of its own, where nothing of the extra was ever imported."""
    result = run("demo", code=WITHOUT_EXTRA.format(name="typer"))
    assert (2, "", 1) == (result.returncode, result.stdout, len(result.stderr.splitlines()))


def test_is_installed_as_a_command(tmp_path: Path) -> None:
    """It works as a command of its own, from any directory; skipped where the package is not installed."""
    command = Path(sys.executable).with_name("vendorauth")
    if not command.exists():
        pytest.skip("the package is not installed here")
    result = subprocess.run(
        [command, "--version"], check=False, capture_output=True, text=True, timeout=50, cwd=tmp_path
    )
    assert (0, f"vendorauth {vendorauth.__version__}\n") == (result.returncode, result.stdout)


def test_all_commands_have_help() -> None:
    """No command is without a sentence about it."""
    commands = app.app.registered_commands
    assert ["demo", "key", "sandbox"] == sorted(command.callback.__name__ for command in commands if command.callback)
    assert all(command.callback and command.callback.__doc__ for command in commands)
    assert isinstance(app.app, typer.Typer)
