"""Ask the documentation's web backends what their users would: under their real servers, in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from _web import load, run, variables
from vendorauth import (
    ApiError,
    AuthError,
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    ConfigurationError,
    InvalidCredentials,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ReauthenticationRequired,
    RequestTimeout,
    ServerError,
    StoreConflict,
    StoreError,
    StoreLockTimeout,
    StoreUnavailable,
    StoreUnreadable,
    TransportError,
    Unauthorized,
    VendorAuthError,
)
from vendorauth.testing import FakeProGlove

FASTAPI = "web_fastapi.py"
SINGLE = ("web_starlette.py", "web_aiohttp.py")
ACME, OTHER = "demo0001", "other001"
CODE = "SOFTWARE_TOKEN_MFA_CODE"


@pytest.fixture
async def vendor() -> AsyncIterator[FakeProGlove]:
    async with FakeProGlove() as fake:
        yield fake


@pytest.fixture
def environment(vendor: FakeProGlove, tmp_path: Path) -> dict[str, str]:
    return variables(vendor, tmp_path / "tokens")


def typed(vendor: FakeProGlove, password: str = "") -> dict[str, str]:
    """Be what a person fills in."""
    return {"username": vendor.username, "password": password or vendor.password}


async def ask(site: ClientSession, path: str, tenant: str = ACME, answers: Any = None) -> tuple[int, Any]:
    """Ask for *path*, or post *answers* to it; give status and JSON."""
    method = "GET" if answers is None else "POST"
    async with site.request(method, path, json=answers, headers={"X-Tenant": tenant}) as response:
        return response.status, await response.json() if response.status != 204 else None


async def test_a_code_is_answered_by_a_second_request(
    vendor: FakeProGlove, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The challenge waits on the server's side, for its tenant alone, and any worker takes the answer.

    Whoever does not know its number, or is another tenant, can't answer; a wrong code may be corrected; once is enough.
    """
    vendor.require("SOFTWARE_TOKEN_MFA", code="123456")
    async with (
        run(load(FASTAPI, environment, monkeypatch)) as here,
        run(load(FASTAPI, environment, monkeypatch)) as there,
    ):
        status, asked = await ask(here, "/login", answers=typed(vendor))
        assert (401, {"challenge", "fields", "hint"}) == (status, asked.keys())
        assert [CODE] == asked["fields"]
        assert vendor.issued
        assert not any(secret in json.dumps(asked) for secret in vendor.issued)
        mine = f"/login/{asked['challenge']}"
        for path, tenant in ((mine, OTHER), ("/login/guessed", ACME), ("/login/\N{SNOWMAN}", ACME)):
            assert 404 == (await ask(there, path, tenant, {CODE: "123456"}))[0]
        assert [422, 422] == [(await ask(there, mine, answers=given))[0] for given in ({}, {CODE: "1", "MORE": "2"})]
        assert 401 == (await ask(there, "/devices", f"{ACME}|challenge"))[0]  # whatever a tenant is called
        assert (0, 0) == (vendor.count.challenge_answers, vendor.count.api)
        wrong = await ask(there, mine, answers={CODE: "654321"})
        assert (401, {"error": "InvalidCredentials"}) == wrong
        assert [204, 404] == [(await ask(there, mine, answers={CODE: "123456"}))[0] for _ in range(2)]
        assert [200, 200] == [(await ask(site, "/devices"))[0] for site in (here, there)]
    count = vendor.count
    assert (1, 2, 1) == (count.logins, count.challenge_answers, count.challenges_answered)


async def test_the_newest_question_is_the_one_that_counts(
    vendor: FakeProGlove, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who begins again is asked again, and what was asked before is forgotten; a second question follows the first."""
    vendor.require("SOFTWARE_TOKEN_MFA", code="1")
    vendor.require("SMS_MFA", code="2")
    async with run(load(FASTAPI, environment, monkeypatch)) as site:
        assert 422 == (await ask(site, "/login", answers={"username": "", "password": "x"}))[0]
        _, before = await ask(site, "/login", answers=typed(vendor))
        _, asked = await ask(site, "/login", answers=typed(vendor))
        assert 404 == (await ask(site, f"/login/{before['challenge']}", answers={CODE: "1"}))[0]
        status, then = await ask(site, f"/login/{asked['challenge']}", answers={CODE: "1"})
        assert (401, ["SMS_MFA_CODE"]) == (status, then["fields"])
        assert 204 == (await ask(site, f"/login/{then['challenge']}", answers={"SMS_MFA_CODE": "2"}))[0]


async def test_tenants_are_apart(
    vendor: FakeProGlove, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a token of its own, in one store; what one of them is refused is nothing to the other."""
    async with run(load(FASTAPI, environment, monkeypatch)) as site:
        for tenant in (ACME, OTHER):
            vendor.customer_id = tenant
            before = await ask(site, "/devices", tenant)
            assert (401, {"error": "ReauthenticationRequired"}) == before
            assert 204 == (await ask(site, "/login", tenant, typed(vendor)))[0]
            assert 200 == (await ask(site, "/devices", tenant))[0]
        refused = await ask(site, "/login", OTHER, typed(vendor, "wr0ng"))
        assert (401, {"error": "InvalidCredentials"}) == refused
        assert 200 == (await ask(site, "/devices", OTHER))[0]  # its token lives
    sent = {(seen.path.split("/")[2], seen.headers["Authorization"]) for seen in vendor.requests if seen.kind == "api"}
    assert ["demo0001", "other001"] == sorted(customer for customer, _ in sent)
    assert 2 == len({token for _, token in sent})


@pytest.mark.parametrize("name", [FASTAPI, *SINGLE])
async def test_health(
    name: str, vendor: FakeProGlove, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks nobody, tells when the next renewal is, and neither a secret nor who is logged in."""
    vendor.throttled = True
    async with run(load(name, environment, monkeypatch)) as site:
        status, before = await ask(site, "/health")
        assert (200, "ok", "none") == (status, before["health"], before["state"])
        assert 0 == len(vendor.requests)
        failed = await ask(site, "/devices")
        down = await ask(site, "/health")
        assert (503, "down", failed[1]["error"]) == (down[0], down[1]["health"], down[1]["error"])
    vendor.throttled = False
    async with run(load(name, environment, monkeypatch)) as site:
        if name == FASTAPI:
            assert 204 == (await ask(site, "/login", answers=typed(vendor)))[0]
        assert 200 == (await ask(site, "/devices"))[0]
        status, after = await ask(site, "/health")
    assert (200, "ok", "fresh", None) == (status, after["health"], after["state"], after["error"])
    assert after["issued_at"] < after["renewal_from"] < after["expires_at"]
    private = {vendor.username, vendor.password, vendor.customer_id, *vendor.issued}
    assert not any(text in json.dumps([before, down, after]) for text in private)


@pytest.mark.parametrize("name", SINGLE)
async def test_errors_are_answered_in_one_place(
    name: str, vendor: FakeProGlove, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers learn what they can do; the wrong password of a service is not theirs, and is sent once."""
    async with run(load(name, environment, monkeypatch)) as site:
        vendor.fail_next(1, 503, headers={"Retry-After": "120"}, on="api")
        async with site.get("/devices") as response:
            assert (503, "120") == (response.status, response.headers["Retry-After"])
            assert {"error": "ServerError"} == await response.json()
        vendor.permitted = False
        assert (403, {"error": "PermissionDenied"}) == await ask(site, "/devices")
    wrong = environment | {"PROGLOVE_PASSWORD": "wr0ng", "STATE_DIRECTORY": environment["STATE_DIRECTORY"] + "2"}
    vendor.count.reset()
    async with run(load(name, wrong, monkeypatch)) as site:
        for _ in range(3):
            assert (502, {"error": "InvalidCredentials"}) == await ask(site, "/devices")
    assert 1 == vendor.count.password_attempts


ANSWERS: dict[VendorAuthError, tuple[int, str | None]] = {
    ConfigurationError("x"): (500, None),
    TransportError("x"): (503, "5"),
    RequestTimeout("x"): (504, None),
    ProtocolError("x"): (503, "5"),
    AuthError("x"): (401, None),
    InvalidCredentials("x"): (401, None),
    ChallengeRequired(Challenge(name="CODE", account="jane")): (401, None),
    ReauthenticationRequired("x"): (401, None),
    AuthServiceUnavailable("x", retry_after=0.2): (503, "1"),
    ApiError("x", 409): (502, None),
    Unauthorized("x", 401): (502, None),
    PermissionDenied("x", 403): (403, None),
    NotFound("x", 404): (404, None),
    RateLimited("x", 429, retry_after=7.0): (503, "7"),
    ServerError("x", 500): (503, "5"),
    StoreError("x"): (500, None),
    StoreUnreadable("x"): (500, None),
    StoreConflict("x"): (503, "5"),
    StoreLockTimeout("x"): (503, "5"),
    StoreUnavailable("x"): (503, "5"),
    VendorAuthError("x"): (502, None),
}


def test_the_table_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every class of error has an answer: 401 or 502 where somebody has to log in, 503 and when to come again."""
    answers = load("web_answers.py", {}, monkeypatch)
    for error, (status, pause) in ANSWERS.items():
        headers = {} if pause is None else {"Retry-After": pause}
        assert ({"error": type(error).__name__}, status, headers) == answers.answer_to(error, login=401)
    assert 502 == answers.answer_to(InvalidCredentials("x"))[1]
    assert {type(error) for error in ANSWERS} == {VendorAuthError, *descendants(VendorAuthError)}


def descendants(kind: type[VendorAuthError]) -> set[type[VendorAuthError]]:
    """List all classes below *kind* that are this package's."""
    ours = [one for one in kind.__subclasses__() if one.__module__ == "vendorauth.errors"]
    return {*ours, *(below for one in ours for below in descendants(one))}
