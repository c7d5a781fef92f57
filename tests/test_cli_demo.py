"""Prove the demo: it holds, it shows it everywhere, and each of its claims can fail."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vendorauth import RefreshPolicy
from vendorauth.cli import demo, main
from vendorauth.cli.app import app
from vendorauth.cli.demo import WRONG, show
from vendorauth.testing import FakeProGlove, FakeProtogrid
from vendorauth.testing._records import Answer, Seen

COMMAND = (sys.executable, "-X", "dev", "-W", "error", "-c", "from vendorauth.cli import main; main()", "demo")
STEERING = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "PYTHONIOENCODING")
ESCAPE = "\x1b["

Fake = type[FakeProGlove] | type[FakeProtogrid]
Spoil = Callable[[pytest.MonkeyPatch], None]


def environment(**more: str) -> dict[str, str]:
    """Give this process's environment without what steers colours."""
    return {name: value for name, value in os.environ.items() if name not in STEERING} | more


def told(failed: list[str] | None = None) -> str:
    """Tell the story in this process; give what it prints, and in *failed* what it says does not hold."""
    page = io.StringIO()
    result = show(Console(file=page, width=100))
    if failed is not None:
        failed.extend(result)
    return page.getvalue()


def test_everything_holds() -> None:
    """Both vendors: one login, everything listed, 50 requests with 1 renewal, a restart without, one refused login."""
    failed: list[str] = []
    text = told(failed)
    assert [] == failed
    assert "All 20 claims hold" in text
    assert "NOT" not in text
    for part in (
        "ProGlove INSIGHT, faked at http://127.0.0.1:",
        "M2MR101000000",
        "1 renewal, by a refresh",
        "InvalidCredentials('POST /login: 400 NotAuthorizedException')",
        "Protogrid, faked at http://127.0.0.1:",
        "appc55b3773-5503-4c41-a9aa-3a561c40fa04",
        "1 renewal, by a login",
        "InvalidCredentials('POST /api/v2/authenticate: 403",
    ):
        assert part in text
    assert 2 == text.count("ok   50 good answers")
    assert 2 == text.count("ok   no login, no renewal")


def test_shows_no_password() -> None:
    """Not even the fakes' passwords are shown."""
    text = told()
    assert FakeProGlove.password not in text
    assert WRONG not in text


def test_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The directory of the file store is gone afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told()
    assert [] == list(tmp_path.iterdir())


def miscount(fake: Fake, kind: str, counter: str) -> Spoil:
    """Let *fake* count one *counter* too many with each request of *kind*."""

    def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
        respond = fake._respond

        def respond_and_miscount(self: FakeProGlove | FakeProtogrid, seen: Seen) -> Answer:
            if kind == seen.kind:
                setattr(self.count, counter, getattr(self.count, counter) + 1)
            return respond(self, seen)  # type: ignore[arg-type]  it is a method of this very class

        monkeypatch.setattr(fake, "_respond", respond_and_miscount)

    return spoil


def answer_nth(fake: Fake, n: int, path: str, body: object) -> Spoil:
    """Let *fake* answer the *n*-th request whose path ends with *path* with *body*, of those that it would answer."""

    def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
        respond = fake._respond
        good: list[Seen] = []

        def respond_wrongly(self: FakeProGlove | FakeProtogrid, seen: Seen) -> Answer:
            answer = respond(self, seen)  # type: ignore[arg-type]  it is a method of this very class
            if seen.path.endswith(path) and answer.status < 300:
                good.append(seen)
                return Answer(body=body) if n == len(good) else answer
            return answer

        monkeypatch.setattr(fake, "_respond", respond_wrongly)

    return spoil


def accept_the_wrong_password(fake: Fake) -> Spoil:
    """Let *fake* take the demo's wrong password."""
    return lambda monkeypatch: monkeypatch.setattr(fake, "password", WRONG)


def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client send a refused password again, as one without rule 10 would."""
    monkeypatch.setattr("vendorauth.engine.source.RefreshPolicy", lambda: RefreshPolicy(denied_cooldown=(0.0, 0.0)))


def forgetful_and_fickle(fake: Fake, switch: str, value: str) -> Spoil:
    """Let the client send a refused password again, and *fake* refuse it for another reason then."""

    def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
        forgetful(monkeypatch)
        respond = fake._respond

        def respond_and_switch(self: FakeProGlove | FakeProtogrid, seen: Seen) -> Answer:
            answer = respond(self, seen)  # type: ignore[arg-type]  it is a method of this very class
            if self.count.passwords_refused:
                setattr(self, switch, value)
            return answer

        monkeypatch.setattr(fake, "_respond", respond_and_switch)

    return spoil


NO_DEVICES = {"items": []}
NO_APPS: dict[str, object] = {"errors": [], "result": []}
GLOVE, GRID = "ProGlove INSIGHT", "Protogrid"


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        (f"{GLOVE}: all 5 are there: expected 5, saw 0", answer_nth(FakeProGlove, 1, "/devices", NO_DEVICES)),
        (f"{GLOVE}: all 5 are there: expected 5, saw 0", answer_nth(FakeProGlove, 2, "/devices", NO_DEVICES)),
        (f"{GLOVE}: 1 login: expected 1, saw 2", miscount(FakeProGlove, "login", "logins")),
        (f"{GLOVE}: 2 good answers", answer_nth(FakeProGlove, 2, "/features", NO_DEVICES)),
        (f"{GLOVE}: 1 renewal, by a refresh", miscount(FakeProGlove, "refresh", "refreshes")),
        (f"{GLOVE}: 1 renewal, by a refresh", miscount(FakeProGlove, "refresh", "logins")),
        (f"{GLOVE}: no login, no renewal: expected 0, saw 1", miscount(FakeProGlove, "api", "logins")),
        (f"{GLOVE}: no login, no renewal: expected 0, saw 1", miscount(FakeProGlove, "api", "refreshes")),
        (f"{GLOVE}: a true error: None", accept_the_wrong_password(FakeProGlove)),
        (f"{GLOVE}: 1 login with the wrong password", miscount(FakeProGlove, "login", "password_attempts")),
        (f"{GRID}: all 2 are there: expected 2, saw 0", answer_nth(FakeProtogrid, 1, "/apps", NO_APPS)),
        (f"{GRID}: 1 login: expected 1, saw 2", miscount(FakeProtogrid, "login", "logins")),
        (f"{GRID}: 2 good answers", answer_nth(FakeProtogrid, 3, "/apps", NO_APPS)),
        (f"{GRID}: 1 renewal, by a login", miscount(FakeProtogrid, "login", "logins")),
        (f"{GRID}: 1 renewal, by a login", miscount(FakeProtogrid, "login", "refreshes")),
        (f"{GRID}: no login, no renewal: expected 0, saw 1", miscount(FakeProtogrid, "api", "logins")),
        (f"{GRID}: a true error: None", accept_the_wrong_password(FakeProtogrid)),
        (f"{GRID}: 1 login with the wrong password", miscount(FakeProtogrid, "login", "password_attempts")),
        (f"{GLOVE}: which sends no password: expected 1, saw 2", forgetful),
        (f"{GRID}: which sends no password: expected 1, saw 2", forgetful),
        (f"{GLOVE}: the same error", forgetful_and_fickle(FakeProGlove, "user_state", "not-found")),
        (f"{GRID}: the same error", forgetful_and_fickle(FakeProtogrid, "refuses_with", "401-plain")),
    ],
)
def test_each_claim_can_fail(monkeypatch: pytest.MonkeyPatch, claim: str, spoil: Spoil) -> None:
    """With fakes that count or answer something else the claim does not hold, is named, and the exit code is 1."""
    monkeypatch.setattr(demo, "REQUESTS", 2)  # quicker
    spoil(monkeypatch)
    result = CliRunner().invoke(app, ["demo"])
    assert 1 == result.exit_code
    assert claim in result.stdout.partition("This does not hold:")[2]


def test_a_vendor_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the story can't go on, one line says why, and the exit code is 1."""
    monkeypatch.setattr(FakeProGlove, "_respond", lambda *_: Answer(status=500))
    monkeypatch.setattr(sys, "argv", ["vendorauth", "demo"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert 1 == caught.value.code
    assert 1 == len(capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("more", [{}, {"PYTHONIOENCODING": "ascii"}, {"TERM": "dumb"}, {"COLUMNS": "40"}])
def test_piped(more: dict[str, str]) -> None:
    """Piped, in whatever encoding and width, it works without colours and without a terminal."""
    result = subprocess.run(
        COMMAND, check=False, capture_output=True, timeout=50, stdin=subprocess.DEVNULL, env=environment(**more)
    )
    assert (0, b"") == (result.returncode, result.stderr)
    assert ESCAPE.encode() not in result.stdout
    assert b"All 20 claims hold" in result.stdout


@pytest.mark.parametrize(("terminal", "colours"), [("xterm-256color", True), ("dumb", False)])
def test_on_a_terminal(terminal: str, *, colours: bool) -> None:
    """On a terminal it has colours; not on a dumb one."""
    page, other = pty.openpty()
    with subprocess.Popen(COMMAND, stdin=other, stdout=other, stderr=other, env=environment(TERM=terminal)) as child:
        os.close(other)
        text = _read(page)
        assert 0 == child.wait(50)
    os.close(page)
    assert "1 renewal, by a refresh" in text
    assert colours is (ESCAPE in text)


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
