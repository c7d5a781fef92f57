"""Run the command in this process, against fakes that run in a thread of their own."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from vendorauth.cli import app
from vendorauth.testing import FakeProGlove, FakeProtogrid

HOUR = 3_600_000


@attrs.frozen
class Outcome:
    """Be what a command left behind."""

    code: object
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


class Terminal(io.StringIO):
    """Be a terminal, as far as anybody asks."""

    def isatty(self) -> bool:
        return True


def run(*arguments: str, stdin: io.StringIO | str = "") -> Outcome:
    """Run the command as its entry point does."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["vendorauth", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin) if isinstance(stdin, str) else stdin)
        with pytest.raises(SystemExit) as caught:
            app.run()
    return Outcome(caught.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the command a home of its own, and no keychain."""
    monkeypatch.setenv("VENDORAUTH_CONFIG", str(tmp_path / "config" / "profiles.toml"))
    monkeypatch.setenv("VENDORAUTH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("VENDORAUTH_KEYS", "FORCE_COLOR", "VENDORAUTH_W_PASSWORD", "VENDORAUTH_W_REFRESH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def glove() -> Iterator[FakeProGlove]:
    """Give a ProGlove."""
    with FakeProGlove() as fake:
        yield fake


@pytest.fixture
def grid() -> Iterator[FakeProtogrid]:
    """Give a Protogrid."""
    with FakeProtogrid() as fake:
        yield fake


def where(fake: FakeProGlove | FakeProtogrid) -> list[str]:
    """Give the options that say where *fake* is, and who logs in."""
    options = ["--base-url", fake.base_url, "--username", fake.username]
    if isinstance(fake, FakeProtogrid):
        return ["--vendor", "protogrid", *options]
    customer = ["--customer-id", fake.customer_id, "--cognito-url", fake.cognito_url]
    return ["--vendor", "proglove", *customer, *options]


def log_in(fake: FakeProGlove | FakeProtogrid, *options: str, store: str = "file") -> Outcome:
    """Log the profile ``w`` in, and see that it worked."""
    arguments = ("login", "w", *where(fake), "--store", store, "--password-stdin", *options)
    outcome = run(*arguments, stdin=f"{fake.password}\n")
    assert 0 == outcome.code, outcome.err
    return outcome


class Person:
    """Be at the terminal, and answer in turn."""

    def __init__(self, patch: pytest.MonkeyPatch, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.hidden: list[str] = []
        patch.setattr("typer.prompt", self._prompt)

    def _prompt(self, text: str, *, default: str | None = None, hide_input: bool = False, err: bool = False) -> str:
        assert err, "the standard output is for what was asked for"
        (self.hidden if hide_input else self.asked).append(text)
        answer = self.answers.pop(0)
        return default if answer == "" and default is not None else answer
