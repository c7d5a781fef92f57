"""Prove that profiles log in and out, with and without a person, and that no secret is shown or left in the wrong place."""

from __future__ import annotations

import time
from pathlib import Path

import keyring
import pytest
from cryptography.fernet import Fernet

from _command import Outcome, Person, Terminal, glove, grid, log_in, place, run, where
from _keyring import DriversError, FailingKeyring, FolderKeyring
from vendorauth.cli.places import keychain_trouble
from vendorauth.testing import FakeProGlove, FakeProtogrid

__all__ = ["glove", "grid", "place"]

MODE = "that only you may read (mode 0600, not encrypted)"


def shown(outcome: Outcome) -> str:
    return outcome.out + outcome.err


def test_from_login_to_logout(place: Path, glove: FakeProGlove) -> None:
    """
    A login by options; ``token`` prints the header's value alone; one that is over is renewed; logout revokes.

    What was typed stands in no file, and no token in anything else that was printed.
    """
    outcome = log_in(glove)
    assert "" == outcome.out
    assert outcome.err.startswith("w is logged in, until ")
    assert MODE in outcome.err
    value = run("token", "w")
    assert (0, "") == (value.code, value.err)
    assert glove.issued[-1] not in shown(outcome)
    assert value.out.removesuffix("\n") in glove.issued
    glove.expire_all()
    assert 0 == run("get", "w", "/{customer_id}/features").code
    status = run("status", "w")
    assert 0 == status.code
    assert f"jane@example.com, customer demo0001, at {glove.base_url}" in status.out
    assert "w  fresh" in status.out
    assert "with the first call after" in status.out
    assert not [secret for secret in (glove.password, *glove.issued) if secret in shown(status)]
    assert glove.password not in "".join(path.read_text() for path in place.rglob("*") if path.is_file())
    assert (1, 1) == (glove.count.logins, glove.count.refreshes)
    out = run("logout", "w")
    assert (0, "", "w is logged out.\n") == (out.code, out.out, out.err)
    assert 0 == glove.refreshable_logins
    needed = run("token", "w")
    assert (3, "") == (needed.code, needed.out)
    assert needed.err.endswith("log in with `vendorauth login w`\n")
    assert 1 == needed.err.count("\n")
    assert 3 == run("status", "w").code


def test_a_person_is_asked_for_what_is_missing(
    place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is asked for, the password hidden; a mistyped code is asked for once more; the store is offered."""
    glove.require("SOFTWARE_TOKEN_MFA", code="123456")
    typed = ["proglove", glove.base_url, "demo0001", glove.username, "safe", "", glove.password, "654321", "123456"]
    person = Person(monkeypatch, typed)
    outcome = run("login", "w", "--cognito-url", glove.cognito_url, stdin=Terminal())
    assert (0, "") == (outcome.code, outcome.out), outcome.err
    assert ["Password of jane@example.com"] == person.hidden
    assert "Vendor (proglove, protogrid)" == person.asked[0]
    assert "The vendor asks for software token mfa code (phone)" == person.asked[-1]
    assert "'safe' is none of them." in outcome.err
    assert f"file: a file {MODE}" in outcome.err
    assert "keyring: this system has no keychain" in outcome.err
    assert "That code is wrong: once more." in outcome.err
    again = Person(monkeypatch, [glove.password, "1", "2", "3"])
    refused = run("login", "w", stdin=Terminal())
    assert (4, []) == (refused.code, again.answers)
    assert glove.password not in shown(outcome) + shown(refused)


def test_a_new_password_is_hidden(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the vendor asks for is hidden where it is a password; an unknown challenge is asked for as well."""
    glove.require("NEW_PASSWORD_REQUIRED")
    glove.require("RIDDLE", code="sphinx")
    person = Person(monkeypatch, [glove.password, "Another-Horse-9", "sphinx"])
    outcome = run("login", "w", *where(glove), "--store", "file", stdin=Terminal())
    assert 0 == outcome.code, outcome.err
    assert "The vendor asks for new password" == person.hidden[1]
    assert ["The vendor asks for answer"] == person.asked


def test_without_a_terminal_nothing_is_asked(place: Path, glove: FakeProGlove) -> None:
    """All that is missing is named in one line, exit code 2, and nothing is sent; codes come as options, too."""
    outcome = run("login", "w")
    assert (2, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    for option in ("--vendor", "--base-url", "--customer-id", "--username", "--password-stdin", "--store"):
        assert option in outcome.err
    assert "VENDORAUTH_W_PASSWORD" in outcome.err
    assert 2 == run("login", "w", "--password-stdin").code
    assert 0 == len(glove.requests)
    glove.require("SOFTWARE_TOKEN_MFA")
    arguments = ("login", "w", *where(glove), "--store", "file", "--password-stdin")
    missing = run(*arguments, stdin=glove.password)
    assert 2 == missing.code
    assert "--code with the answer to SOFTWARE_TOKEN_MFA" in missing.err
    assert 4 == run(*arguments, "--code", "1", stdin=glove.password).code
    assert not (place / "config").exists()
    assert 0 == run(*arguments, "--code", "123456", stdin=glove.password).code


def test_secrets_from_the_environment(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI gives the password, or the refresh token, as variables; with one, a call logs in by itself."""
    monkeypatch.setenv("VENDORAUTH_W_PASSWORD", glove.password)
    assert 0 == run("login", "w", *where(glove), "--store", "file").code
    assert 0 == run("logout", "w").code
    due = run("status", "--json")
    assert "renewal due" == due.json[0]["state"]
    assert 0 == run("token", "w").code
    refresh_token = glove.issued[-1]
    monkeypatch.delenv("VENDORAUTH_W_PASSWORD")
    monkeypatch.setenv("VENDORAUTH_CI_1_REFRESH_TOKEN", refresh_token)
    options = ("--vendor", "proglove", "--base-url", glove.base_url, "--customer-id", glove.customer_id)
    outcome = run("login", "ci-1", *options, "--cognito-url", glove.cognito_url, "--store", "file", "--json")
    assert (0, "ci-1", None) == (outcome.code, outcome.json["profile"], outcome.json["username"])
    assert "fresh" == run("status", "ci-1", "--json").json["state"]
    monkeypatch.setenv("VENDORAUTH_CI_1_PASSWORD", "x")
    monkeypatch.delenv("VENDORAUTH_CI_1_REFRESH_TOKEN")
    assert "no username" in run("token", "ci-1").err
    assert refresh_token not in shown(outcome)


def test_refusals_and_silence(place: Path, glove: FakeProGlove) -> None:
    """Exit codes tell a refusal from a server that can't be reached; ``--debug`` tells more, and no secret."""
    arguments = ("login", "w", *where(glove), "--store", "file", "--password-stdin")
    refused = run("--debug", *arguments, stdin="Marked-Horse-5")
    assert 4 == refused.code
    assert "Traceback" in refused.err
    assert "code: NotAuthorizedException\n" in refused.err
    assert "Marked-Horse-5" not in shown(refused)
    assert not (place / "config").exists()
    glove.throttled = True
    assert 5 == run(*arguments, stdin=glove.password).code
    nowhere = ("--base-url", "http://127.0.0.1:9/latest")
    lost = run(*arguments, *nowhere, stdin=glove.password)
    assert (5, 1) == (lost.code, lost.err.count("\n"))
    assert lost.err.endswith("`vendorauth doctor w` looks for the cause\n")


def test_the_keychain(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a keychain it is offered first; changing the store takes the token out of the old one."""
    chain = FolderKeyring(place / "chain")
    keyring.set_keyring(chain)
    assert keychain_trouble() is None
    person = Person(monkeypatch, ["", glove.password])
    outcome = run("login", "w", *where(glove), stdin=Terminal())
    assert (0, []) == (outcome.code, person.answers), outcome.err
    assert "The token is in the keychain of this system.\n" in outcome.err
    assert chain.entries()
    assert not list(place.rglob("*.json"))
    assert "its key in the keychain" in log_in(glove, store="encrypted-file").err
    assert ["vendorauth key of encrypted files"] == list(chain.entries())
    (record,) = (place / "state" / "encrypted").glob("*.json")
    assert not [secret for secret in glove.issued if secret in record.read_text()]
    assert run("token", "w").out.strip() in glove.issued
    keyring.set_keyring(FolderKeyring(place / "other"))
    lost = run("status", "w", "--json")
    assert (1, "unreadable") == (lost.code, lost.json["state"])
    assert "neither in the keychain" in lost.json["trouble"]
    assert "unreadable" in run("status").out
    keyring.set_keyring(FailingKeyring(place / "failing", DriversError, "?"))
    assert "the keychain can't be used: DriversError" in run("token", "w").err
    monkeypatch.setattr("vendorauth.cli.places._key_in_keychain", lambda: None)
    monkeypatch.setattr(FailingKeyring, "set_password", FailingKeyring.get_password)
    assert 2 == run("login", "w", "--password-stdin", stdin="x").code


def test_an_encrypted_file_without_a_keychain(
    place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key may come from the environment; without either there is one line that says so, and nothing is sent."""
    arguments = ("login", "w", *where(glove), "--store", "encrypted-file", "--password-stdin")
    missing = run(*arguments, stdin=glove.password)
    assert (2, 0) == (missing.code, len(glove.requests))
    assert "VENDORAUTH_KEYS" in missing.err
    monkeypatch.setenv("VENDORAUTH_KEYS", Fernet.generate_key().decode())
    person = Person(monkeypatch, ["", glove.password])
    outcome = run("login", "w", *where(glove), stdin=Terminal())
    assert (0, []) == (outcome.code, person.answers)
    assert "its key in the environment variable VENDORAUTH_KEYS" in outcome.err


@pytest.mark.parametrize(("store", "module"), [("keyring", "keyring"), ("encrypted-file", "cryptography")])
def test_a_missing_extra(
    place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch, store: str, module: str
) -> None:
    """A store whose extra is not installed says what to install."""
    monkeypatch.setenv("VENDORAUTH_KEYS", Fernet.generate_key().decode())
    monkeypatch.setitem(__import__("sys").modules, module, None)
    for name in (f"vendorauth.stores.{module}", "vendorauth.stores.encrypted", "cryptography.fernet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for name in ("KeyringTokenStore", "EncryptedTokenStore", "keys_from_env"):
        monkeypatch.delattr(f"vendorauth.stores.{name}", raising=False)
    Person(monkeypatch, ["file", glove.password])
    offered = run("login", "w", *where(glove), stdin=Terminal())
    assert f"{store}: the extra is missing: pip install 'vendorauth[" in offered.err
    outcome = run("login", "w", *where(glove), "--store", store, "--password-stdin", stdin=glove.password)
    assert 2 == outcome.code


def test_protogrid(place: Path, grid: FakeProtogrid) -> None:
    """Protogrid's token is the cookie's header; a session that is over, without a password, needs a login."""
    log_in(grid)
    assert run("token", "w").out.startswith("session=")
    header = run("token", "w", "--json").json
    assert ("Cookie", None) == (header["header"], header["expires_at"])
    status = run("status", "w").out
    assert "the vendor names no end" in status
    assert "none: it can't be renewed" in status
    assert 0 == run("get", "w", "/api/v2/apps").code
    grid.expire_all()
    assert 3 == run("get", "w", "/api/v2/apps").code
    forgotten = run("logout", "w", "--forget", "--json")
    assert {"profile": "w", "logged_out": True, "forgotten": True} == forgotten.json
    assert [] == run("profiles", "--json").json


def test_a_token_that_is_over(place: Path, grid: FakeProtogrid, monkeypatch: pytest.MonkeyPatch) -> None:
    """``status`` tells one that is over and can't be renewed from one that lives."""
    grid.max_age = 60
    log_in(grid)
    assert "fresh" == run("status", "w", "--json").json["state"]
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 100)
    outcome = run("status", "w")
    assert 3 == outcome.code
    assert "none: log in with `vendorauth login w`" in outcome.out
    monkeypatch.setenv("VENDORAUTH_W_PASSWORD", grid.password)
    assert "with the next call" in run("status", "w").out


def test_trouble_with_the_store_is_a_warning(place: Path, glove: FakeProGlove) -> None:
    """A call whose renewed token can't be saved works, and says so; a login whose token can't be saved fails."""
    log_in(glove)
    glove.expire_all()
    (place / "state").chmod(0o777)
    outcome = run("get", "w", "/{customer_id}/features")
    assert outcome.err.startswith("vendorauth: ")
    assert "can be written by others" in outcome.err
    failed = run("login", "w", "--password-stdin", stdin=glove.password)
    assert (1, 1) == (failed.code, failed.err.count("\n"))
