"""``vendorauth key`` makes a key, and says nothing else."""

from __future__ import annotations

import json
import sys

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from vendorauth.cli.app import app
from vendorauth.stores import EncryptedTokenStore, MemoryTokenStore

RUN = CliRunner().invoke


def test_a_new_key_each_time() -> None:
    """It prints one line, a new key of 32 random bytes each time, that the store takes; nothing on the standard error."""
    keys = set[str]()
    for _ in range(20):
        result = RUN(app, ["key"])
        assert (0, "", 1) == (result.exit_code, result.stderr, result.stdout.count("\n"))
        keys.add(result.stdout.removesuffix("\n"))
    assert 20 == len(keys)
    for key in keys:
        assert b"x" == Fernet(key).decrypt(Fernet(key).encrypt(b"x"))
        EncryptedTokenStore(MemoryTokenStore(), [key])


def test_as_json() -> None:
    """A script may have it as JSON."""
    key = json.loads(RUN(app, ["key", "--json"]).stdout)["key"]
    EncryptedTokenStore(MemoryTokenStore(), [key])


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its extra one line says what to install, no key is printed, and the exit code is 2."""
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    result = RUN(app, ["key"])
    assert (2, "") == (result.exit_code, result.stdout)
    assert "vendorauth: this command needs an extra: pip install 'vendorauth[encryption]'\n" == result.stderr


def test_its_help() -> None:
    """Its help says what it is for, and imports nothing for that."""
    result = RUN(app, ["key", "--help"])
    assert (0, "") == (result.exit_code, result.stderr)
    assert "EncryptedTokenStore" in result.stdout


def test_nothing_else_is_taken() -> None:
    """An argument is a mistake."""
    assert 2 == RUN(app, ["key", "more"]).exit_code
