"""Prove that the doctor names what is wrong, says what to do, and goes on."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from _command import glove, grid, log_in, place, run
from vendorauth.testing import FakeProGlove, FakeProtogrid

__all__ = ["glove", "grid", "place"]

CHECKS = ["profile", "base URL", "DNS", "TLS", "clock", "region", "store", "lock", "login"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait shortly for a lock that is held: each examination does."""
    monkeypatch.setattr("vendorauth.cli.doctor._LOCK_PATIENCE", 0.05)


def found(*, code: int) -> dict[str, tuple[str, str]]:
    outcome = run("doctor", "w", "--json")
    assert code == outcome.code, outcome.out
    lines = outcome.json["w"]
    assert CHECKS == [line["check"] for line in lines]
    return {line["check"]: (line["verdict"], line["text"]) for line in lines}


def settings(place: Path, base_url: str, **more: str) -> None:
    """Write the profile ``w`` by hand."""
    pairs = {"vendor": "proglove", "base_url": base_url, "customer_id": "demo0001", "username": "jane", **more}
    (place / "config").mkdir(exist_ok=True)
    lines = "\n".join(f'{key} = "{value}"' for key, value in pairs.items())
    (place / "config" / "profiles.toml").write_text(f"[profiles.w]\n{lines}\n")


def test_all_is_well(place: Path, glove: FakeProGlove, grid: FakeProtogrid) -> None:
    """Where all is well each line says so, exit code 0, and nothing is left in the store."""
    assert "There are no profiles" in run("doctor").out
    log_in(glove)
    before = sorted((place / "state").glob("*.json"))
    lines = found(code=0)
    assert {"ok"} == {verdict for verdict, _ in lines.values()}
    assert f"the login goes to {glove.cognito_url}" in lines["region"][1]
    assert "renewed by itself" in lines["login"][1]
    assert before == sorted((place / "state").glob("*.json"))
    settings(place, glove.base_url)
    assert "cognito-idp.eu-west-1.amazonaws.com" in found(code=1)["region"][1]
    log_in(grid)
    outcome = run("doctor")
    assert 0 == outcome.code
    assert "none: Protogrid has no regions" in outcome.out
    assert "no end" in outcome.out


def test_nothing_can_be_reached(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check fails for itself, and says what to do; what hangs on another is not tried; exit code 1."""
    settings(place, "https://127.0.0.1:9/latest")
    lines = found(code=1)
    assert ("wrong", "ok", "wrong", "skipped", "ok", "wrong") == tuple(
        lines[name][0] for name in ("TLS", "DNS", "clock", "region", "store", "login")
    )
    assert "check the network and the proxy" in lines["TLS"][1]
    settings(place, "http://elsewhere.example")
    lines = found(code=1)
    assert ("wrong", "skipped", "ok") == (lines["base URL"][0], lines["DNS"][0], lines["store"][0])
    settings(place, f"https://{'a' * 64}.example")
    assert "wrong" == found(code=1)["base URL"][0]
    settings(place, "https://nowhere.invalid/latest")
    monkeypatch.setattr("vendorauth.cli.doctor._PATIENCE", 5.0)
    assert "can't be resolved" in found(code=1)["DNS"][1]
    (place / "config" / "profiles.toml").write_text("[profiles.v]\n")
    lines = found(code=1)
    assert ["wrong"] + ["skipped"] * 8 == [verdict for verdict, _ in lines.values()]


def test_tls(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good certificate is told with its version; a bad one with its reason."""
    settings(place, "https://127.0.0.1:9/latest")
    errors: list[Exception | None] = [None, ssl.SSLCertVerificationError("bad")]

    class Writer:
        transport: Any = type("T", (), {"abort": staticmethod(lambda: None)})

        @staticmethod
        def get_extra_info(_: str) -> Any:
            return type("S", (), {"version": staticmethod(lambda: "TLSv1.3")})

    async def connect(*_: object, **options: Any) -> tuple[None, type[Writer]]:
        assert isinstance(options["ssl"], ssl.SSLContext)
        error = errors.pop(0)
        if error is not None:
            error.verify_message = "self-signed certificate"  # type: ignore[attr-defined]  # OpenSSL sets it
            raise error
        return None, Writer

    monkeypatch.setattr("asyncio.open_connection", connect)
    assert ("ok", "TLSv1.3, and the certificate is good") == found(code=1)["TLS"]
    verdict, text = found(code=1)["TLS"]
    assert "wrong" == verdict
    assert text.startswith("self-signed certificate: is a proxy in between")


def test_clocks_and_answers(place: Path, glove: FakeProGlove) -> None:
    """A clock that is off, an answer without a date, a customer that nobody knows, a server that hangs."""
    log_in(glove)
    glove.fail_next(1, 200, b'{"user_pool_client_id": "c", "region": "x"}', {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"})
    lines = found(code=1)
    assert "ahead of the server: set its clock" in lines["clock"][1]
    assert "skipped" != lines["region"][0]
    glove.fail_next(1, 400, b"", {"Date": "?"})
    lines = found(code=1)
    assert "not known" in lines["clock"][1]
    assert "check base URL and customer id" in lines["region"][1]


def test_it_does_not_wait_for_ever(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that takes too long is wrong, and the others are done."""
    log_in(glove)
    glove.delay = 3.0
    monkeypatch.setattr("vendorauth.cli.doctor._PATIENCE", 0.5)
    lines = found(code=1)
    assert ("wrong", "no answer within 0.5 s: check the network") == lines["clock"]
    glove.delay = 0.0


def test_stores_that_do_not_do(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that forgets, and a lock that two can hold at once, are named; so is a token that is over."""
    log_in(glove)

    async def forget(*_: object) -> None:
        return None

    @asynccontextmanager
    async def pretend(*_: object) -> Any:
        yield

    with monkeypatch.context() as patch:
        patch.setattr("vendorauth.stores.FileTokenStore.load", forget)
        patch.setattr("vendorauth.stores.FileTokenStore.lock", pretend)
        lines = found(code=1)
    assert "take another store" in lines["store"][1]
    assert "put the files on a local disk" in lines["lock"][1]
    assert "nobody is logged in" in lines["login"][1]
    record = next((place / "state").glob("*.json"))
    text = record.read_text()
    refresh_token = next(secret for secret in glove.issued if f'"refresh_token":"{secret}"' in text)
    end = text.partition('"expires_at":"')[2].partition('"')[0]
    record.write_text(text.replace(f'"{refresh_token}"', "null").replace(f'"{end}"', '"2020-01-01T00:00:00+00:00"'))
    assert "the token is over" in found(code=1)["login"][1]
    monkeypatch.setenv("VENDORAUTH_W_PASSWORD", glove.password)
    assert "renewed by itself" in found(code=0)["login"][1]
    record.unlink()
    assert "the next call logs in" in found(code=0)["login"][1]
