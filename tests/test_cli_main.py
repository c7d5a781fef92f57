"""Prove the command line itself: what it prints where it can't do its job, and how it exits."""

import os
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

import vendorauth
from vendorauth import (
    ApiError,
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    ConfigurationError,
    InvalidCredentials,
    ProtocolError,
    RateLimited,
    ReauthenticationRequired,
    StoreUnavailable,
    TransportError,
)
from vendorauth.cli import app, main

COMMANDS = (
    "demo",
    "doctor",
    "export",
    "get",
    "key",
    "login",
    "logout",
    "post",
    "profiles",
    "sandbox",
    "status",
    "token",
)
COMMAND = "from vendorauth.cli import main; main()"
WITHOUT_EXTRA = f"""
import sys
from importlib import import_module
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


def test_run_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``python -m vendorauth`` is the command, too."""
    monkeypatch.setattr(sys, "argv", ["vendorauth", "--version"])
    monkeypatch.delitem(sys.modules, "vendorauth.__main__", raising=False)
    with pytest.raises(SystemExit) as caught:
        import_module("vendorauth.__main__")
    assert (0, f"vendorauth {vendorauth.__version__}\n") == (caught.value.code, capsys.readouterr().out)


def test_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` names every command."""
    assert 0 == exit_code(monkeypatch, "--help")
    told = capsys.readouterr().out
    assert "Usage: vendorauth" in told
    for command in COMMANDS:
        assert f"\n  {command} " in told
    assert "3 login needed, 4 refused" in told


def test_help_imports_next_to_nothing() -> None:
    """``--help`` waits for nothing that takes its time: no event loop, no aiohttp, no models, no rich."""
    code = f"""
import sys
from importlib import import_module
try:
    {COMMAND}
finally:
    slow = {{"aiohttp", "asyncio", "attr", "cattrs", "cryptography", "keyring", "msgspec", "rich", "tomlkit", "yarl"}}
    print(sorted(slow & sys.modules.keys()), len([name for name in sys.modules if name.startswith("vendorauth")]))
"""
    assert "[] 5" == run("--help", code=code).stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("--wrong",), ("wrong",), ("sandbox", "--token-life", "0"), ("demo", "more")])
def test_usage_errors_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """A command line that can't be right is exit code 2."""
    assert 2 == exit_code(monkeypatch, *arguments)
    assert "" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (TransportError("GET /a: refused"), 5, "GET /a: refused: `vendorauth doctor PROFILE` looks for the cause"),
        (ProtocolError("GET /a: no JSON"), 5, "GET /a: no JSON: `vendorauth doctor PROFILE` looks for the cause"),
        (ConfigurationError("no\nno"), 2, "no no"),
        (OSError(98, "in use"), 1, "[Errno 98] in use"),
        (StoreUnavailable("full"), 1, "full: `vendorauth doctor PROFILE` looks for the cause"),
        (ReauthenticationRequired("over"), 3, "over: log in with `vendorauth login PROFILE`"),
        (
            ChallengeRequired(Challenge(name="SMS_MFA", account="a")),
            3,
            "a: the vendor asks for SMS_MFA: log in with `vendorauth login PROFILE`",
        ),
        (InvalidCredentials("no"), 4, "no: check what was typed, or ask whoever manages the users"),
        (AuthServiceUnavailable("busy"), 5, "busy: try again later"),
        (RateLimited("GET /a: 429", 429), 5, "GET /a: 429: try again later"),
        (ApiError("GET /a: 400", 400), 4, "GET /a: 400"),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, told: str
) -> None:
    """What goes wrong is told in one line, with what to do and without a traceback; the exit code tells the kind."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    assert code == exit_code(monkeypatch)
    assert f"vendorauth: {told}\n" == capsys.readouterr().err


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
    monkeypatch.setitem(sys.modules, "vendorauth.cli.choices", None)
    with pytest.raises(ModuleNotFoundError, match=r"vendorauth\.cli\.choices"):
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
    assert sorted(COMMANDS) == sorted(command.callback.__name__ for command in commands if command.callback)
    assert all(command.callback and command.callback.__doc__ for command in commands)
    assert isinstance(app.app, typer.Typer)


def test_names_of_profiles_are_completed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell completes profiles' names; a file that can't be read completes nothing."""
    path = tmp_path / "profiles.toml"
    monkeypatch.setenv("VENDORAUTH_CONFIG", str(path))
    tables = (
        f'[profiles.{name}]\nvendor = "protogrid"\nbase_url = "https://x.example"\n' for name in ("wa", "wb", "x")
    )
    path.write_text("".join(tables))
    assert ["wa", "wb"] == app._names("w")
    path.write_text("[")
    assert [] == app._names("")


def test_the_package_imports_what_is_asked_for() -> None:
    """Every public name is there and is listed; others are not."""
    assert set(vendorauth.__all__) <= set(dir(vendorauth))
    assert all(getattr(vendorauth, name) is not None for name in vendorauth.__all__)
    assert set(vendorauth.__all__) == {*vendorauth._MODULES, "__version__"}  # type: ignore[attr-defined]  # checkers see the imports
    with pytest.raises(AttributeError, match="no attribute 'wrong'"):
        _ = vendorauth.wrong  # type: ignore[attr-defined]  # that is the point
