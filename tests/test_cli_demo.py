"""Prove the demo: it holds, it shows it everywhere, and each of its claims can fail."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from _command import Terminal
from vendorauth import RefreshPolicy
from vendorauth.cli import demo, main
from vendorauth.cli.app import app
from vendorauth.testing import FakeProGlove, FakeProtogrid
from vendorauth.testing._records import Answer, Seen

COMMAND = (sys.executable, "-W", "error", "-c", "from vendorauth.cli import main; main()", "demo")
STEERING = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "PYTHONIOENCODING")
ESCAPE = "\x1b["

Fake = type[FakeProGlove] | type[FakeProtogrid]
Spoil = Callable[[pytest.MonkeyPatch], None]


def environment(**more: str) -> dict[str, str]:
    """Give this process's environment without what steers colours."""
    return {name: value for name, value in os.environ.items() if name not in STEERING} | more


def test_everything_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Both vendors: one login, everything listed, 50 requests with 1 renewal, a restart without, one refused login.

    No password is shown, not even a fake's, and no file is left behind.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page = io.StringIO()
    assert [] == demo.show(Console(file=page, width=100))
    text = page.getvalue()
    assert "All 20 claims hold" in text
    assert "NOT" not in text
    for part in (
        "ProGlove INSIGHT, faked at http://127.0.0.1:",
        "M2MR101000000",
        "1 renewal, by a refresh",
        "InvalidCredentials('POST /login: 400 NotAuthorizedException (the user name or the password was refused",
        "Protogrid, faked at http://127.0.0.1:",
        "appc55b3773-5503-4c41-a9aa-3a561c40fa04",
        "1 renewal, by a login",
        "InvalidCredentials('POST /api/v2/authenticate: 403",
    ):
        assert part in text
    assert 2 == text.count("ok   50 good answers")
    assert 2 == text.count("ok   no login, no renewal")
    assert FakeProGlove.password not in text
    assert demo.WRONG not in text
    assert [] == list(tmp_path.iterdir())


def meddle(monkeypatch: pytest.MonkeyPatch, fake: Fake, change: Callable[[Any, Seen, Answer], Answer]) -> None:
    """Let *fake* send what *change* makes of each answer."""
    respond: Callable[[Any, Seen], Answer] = fake._respond
    monkeypatch.setattr(fake, "_respond", lambda self, seen: change(self, seen, respond(self, seen)))


def miscount(fake: Fake, kind: str, counter: str) -> Spoil:
    """Let *fake* count one *counter* too many with each request of *kind*."""

    def change(running: Any, seen: Seen, answer: Answer) -> Answer:
        if kind == seen.kind:
            setattr(running.count, counter, getattr(running.count, counter) + 1)
        return answer

    return lambda monkeypatch: meddle(monkeypatch, fake, change)


def answer_nth(fake: Fake, n: int, path: str, body: object) -> Spoil:
    """Let *fake* answer the *n*-th request whose path ends with *path* with *body*, of those that it would grant."""

    def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
        granted: list[Seen] = []

        def change(_: Any, seen: Seen, answer: Answer) -> Answer:
            if seen.path.endswith(path) and answer.status < 300:
                granted.append(seen)
                return Answer(body=body) if n == len(granted) else answer
            return answer

        meddle(monkeypatch, fake, change)

    return spoil


def accept_the_wrong_password(fake: Fake) -> Spoil:
    """Let *fake* take the demo's wrong password."""
    return lambda monkeypatch: monkeypatch.setattr(fake, "password", demo.WRONG)


def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client send a refused password again, as one without rule 10 would."""
    hasty = RefreshPolicy(backoff=(1e-9, 1e-9), denied_cooldown=(1e-9, 1e-9))
    monkeypatch.setattr("vendorauth.engine.source._POLICY", hasty)


def fickle(fake: Fake, switch: str, value: str) -> Spoil:
    """Let *fake* refuse a second password for another reason."""

    def change(running: Any, _: Seen, answer: Answer) -> Answer:
        if running.count.passwords_refused:
            setattr(running, switch, value)
        return answer

    return lambda monkeypatch: meddle(monkeypatch, fake, change)


NO_DEVICES: dict[str, object] = {"items": []}
NO_APPS: dict[str, object] = {"errors": [], "result": []}
GLOVE, GRID = "ProGlove INSIGHT", "Protogrid"


@pytest.mark.parametrize(
    ("claims", "spoils"),
    [
        (
            (f"{GLOVE}: all 5 are there: expected 5, saw 0", f"{GRID}: all 2 are there: expected 2, saw 0"),
            (answer_nth(FakeProGlove, 1, "/devices", NO_DEVICES), answer_nth(FakeProtogrid, 1, "/apps", NO_APPS)),
        ),
        (
            (f"{GLOVE}: 1 login: expected 1, saw 2", f"{GRID}: 1 login: expected 1, saw 2"),
            (miscount(FakeProGlove, "login", "logins"), miscount(FakeProtogrid, "login", "logins")),
        ),
        (
            (f"{GLOVE}: 2 good answers", f"{GRID}: 2 good answers"),
            (answer_nth(FakeProGlove, 2, "/features", NO_DEVICES), answer_nth(FakeProtogrid, 3, "/apps", NO_APPS)),
        ),
        (
            (f"{GLOVE}: 1 renewal, by a refresh", f"{GRID}: 1 renewal, by a login"),
            (miscount(FakeProGlove, "refresh", "refreshes"), miscount(FakeProtogrid, "login", "refreshes")),
        ),
        (
            (f"{GLOVE}: no login, no renewal: expected 0, saw 1", f"{GRID}: no login, no renewal: expected 0, saw 1"),
            (miscount(FakeProGlove, "api", "refreshes"), miscount(FakeProtogrid, "api", "logins")),
        ),
        (
            (f"{GLOVE}: all 5 are there: expected 5, saw 0", f"{GRID}: all 2 are there: expected 2, saw 0"),
            (answer_nth(FakeProGlove, 2, "/devices", NO_DEVICES), answer_nth(FakeProtogrid, 4, "/apps", NO_APPS)),
        ),
        (
            (f"{GLOVE}: a true error: None", f"{GRID}: a true error: None"),
            (accept_the_wrong_password(FakeProGlove), accept_the_wrong_password(FakeProtogrid)),
        ),
        (
            (f"{GLOVE}: 1 login with the wrong password", f"{GRID}: 1 login with the wrong password"),
            (
                miscount(FakeProGlove, "login", "password_attempts"),
                miscount(FakeProtogrid, "login", "password_attempts"),
            ),
        ),
        (
            (
                f"{GLOVE}: and again",
                f"{GLOVE}: which sends no password: expected 1, saw 2",
                f"{GRID}: and again",
                f"{GRID}: which sends no password: expected 1, saw 2",
            ),
            (
                forgetful,
                fickle(FakeProGlove, "user_state", "not-found"),
                fickle(FakeProtogrid, "refuses_with", "401-plain"),
            ),
        ),
    ],
)
def test_each_claim_can_fail(
    monkeypatch: pytest.MonkeyPatch, claims: tuple[str, ...], spoils: tuple[Spoil, ...]
) -> None:
    """With fakes that count or answer something else a claim does not hold, is named, and the exit code is 1."""
    monkeypatch.setattr(demo, "REQUESTS", 2)  # quicker
    for spoil in spoils:
        spoil(monkeypatch)
    result = CliRunner().invoke(app, ["demo"])
    assert 1 == result.exit_code
    failed = result.stdout.partition("This does not hold:")[2]
    for claim in claims:
        assert claim in failed


def test_a_vendor_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the story can't go on, one line says why, and the exit code tells the kind."""
    monkeypatch.setattr(FakeProGlove, "_respond", lambda *_: Answer(status=500))
    monkeypatch.setattr(sys, "argv", ["vendorauth", "demo"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert 5 == caught.value.code
    assert 1 == len(capsys.readouterr().err.splitlines())


def test_piped() -> None:
    """Piped, in a narrow encoding and width, it works without colours and without a terminal."""
    narrow = environment(PYTHONIOENCODING="ascii", TERM="dumb", COLUMNS="40")
    result = subprocess.run(COMMAND, check=False, capture_output=True, timeout=50, stdin=subprocess.DEVNULL, env=narrow)
    assert (0, b"") == (result.returncode, result.stderr)
    assert ESCAPE.encode() not in result.stdout
    assert b"All 20 claims hold" in result.stdout


def test_on_a_terminal() -> None:
    """On a terminal it has colours."""
    page, other = pty.openpty()
    terminal = environment(TERM="xterm-256color")
    with subprocess.Popen(COMMAND, stdin=other, stdout=other, stderr=other, env=terminal) as child:
        os.close(other)
        text = _read(page)
        assert 0 == child.wait(50)
    os.close(page)
    assert "1 renewal, by a refresh" in text
    assert ESCAPE in text


@pytest.mark.parametrize(("terminal", "colours"), [("xterm-256color", True), ("dumb", False)])
def test_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch, terminal: str, *, colours: bool) -> None:
    """On a dumb terminal it has no colours, where another one would."""
    for name in STEERING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setattr(demo, "_tell", lambda teller, _: _told(teller))
    page = Terminal()
    with redirect_stdout(page):
        assert [] == demo.show()
    assert ("claims hold" in page.getvalue(), colours) == (True, ESCAPE in page.getvalue())


async def _told(teller: demo.Teller) -> None:
    teller.claim("it holds", expected=1, seen=1)


def _read(page: int) -> str:
    text = b""
    while True:
        try:
            more = os.read(page, 65536)
        except OSError:  # Linux's way to say that nobody writes any more
            more = b""
        if not more:
            return text.decode()
        text += more


def test_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A script is told what did not hold, and nothing else."""
    monkeypatch.setattr(demo, "REQUESTS", 2)  # quicker
    assert [] == demo.show_as_json()
    assert '{"failed": []}\n' == capsys.readouterr().out
