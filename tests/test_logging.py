"""The log: what a person on call reads, at which level, and the fields beside it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from _api import hang_up, serve
from _keeping import SOON, Store
from _renewals import FAILING
from _vendor import WRONG, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    InvalidCredentials,
    ReauthenticationRequired,
    RefreshPolicy,
    RenewalFailed,
    Renewed,
    Token,
    TokenEvent,
    TokenSource,
)
from vendorauth._logging import clock_time, fields
from vendorauth.integrations.aiohttp import authenticate

STEADY = RefreshPolicy(backoff=(2.0, 2.0), jitter=0.0)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "vendorauth")


def steady(source: TokenSource) -> TokenSource:
    """Let *source* draw no lots."""
    source._setup.draw = lambda: 0.0
    return source


def told(caplog: pytest.LogCaptureFixture, module: str = "") -> list[tuple[str, str]]:
    """Give levels and messages of our *module*, or of all of ours, and forget them."""
    found = [one for one in caplog.records if one.name.startswith(f"vendorauth.{module}")]
    caplog.clear()
    return [(one.levelname, one.getMessage()) for one in found]


def extra(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Give the fields of our records, without their prefix."""
    records = [vars(one) for one in caplog.records if one.name.startswith("vendorauth.")]
    return [{name[11:]: one[name] for name in one if name.startswith("vendorauth_")} for one in records]


async def test_a_login_a_renewal_and_a_sibling(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Each says for whom, how long it took, and when the next renewal comes."""
    source, sibling = world.source(policy=STEADY), world.source(None, policy=STEADY)
    await source.token()
    world.clock.advance(3601.0)
    await source.token()
    await sibling.token()
    due = datetime(2026, 1, 1, 13, 48, 1, tzinfo=UTC)
    jane = {"account": "jane@vendor", "seconds": 0.0, "ahead": False}
    expected = [
        {**jane, "how": "login", "next_renewal": NOON.replace(minute=48)},
        {**jane, "how": "refresh", "next_renewal": due},
        {**jane, "how": "store", "next_renewal": due},
    ]
    assert expected == extra(caplog)
    assert [
        ("INFO", "logged in jane@vendor after 0.00 s, next renewal at 12:48 UTC"),
        ("INFO", "renewed jane@vendor after 0.00 s, next renewal at 13:48 UTC"),
        ("INFO", "took the token of jane@vendor from the store after 0.00 s, next renewal at 13:48 UTC"),
    ] == told(caplog, "engine.keeping")


async def test_a_token_without_an_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It needs no renewal."""
    world.vendor.life = None
    await world.source().token()
    assert [("INFO", "logged in jane@vendor after 0.00 s, it needs no renewal")] == told(caplog)


async def test_renewals_that_fail(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Passing trouble is a warning, what somebody has to do something about an error; each says what follows."""
    source = steady(world.source(policy=STEADY))
    await source.token()
    told(caplog)
    world.vendor.script["refresh"].append(FAILING)
    world.clock.advance(3000.0)
    await source.token()
    await settle()
    expected = {"error": "AuthServiceUnavailable", "seconds": 0.0, "pause": 2.0, "ahead": True}
    assert [{"account": "jane@vendor", **expected}] == extra(caplog)
    served = "the old token serves until 13:00 UTC"
    failed = "renewing jane@vendor failed after 0.00 s: AuthServiceUnavailable: POST: 503; next try in 2 s"
    assert [("WARNING", f"{failed}, {served}")] == told(caplog)
    world.clock.advance(601.0)
    world.vendor.script["refresh"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    assert [("WARNING", f"{failed}, no token serves meanwhile")] == told(caplog)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    assert [] == told(caplog)


async def test_a_token_to_the_end_of_time(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A vendor's "never" may be the last moment that a `datetime` can say: no date is made of it, and nothing breaks."""
    events: list[TokenEvent] = []
    made = Token(value="v", issued_at=NOON, expires_at=datetime.max.replace(tzinfo=UTC), refresh_token="r")
    store = Store()
    await store.save("jane@vendor", made)
    source = steady(world.source(store=store, policy=STEADY, on_event=events.append))
    token = await source.token()
    world.vendor.script["refresh"].append(FAILING)
    told(caplog)
    with pytest.raises(AuthServiceUnavailable):
        await source.renew(token)
    await settle()
    assert [RenewalFailed] == [type(one) for one in events if not isinstance(one, Renewed)]
    ((_, text),) = told(caplog)
    assert "next try in 2 s, the old token serves meanwhile" in text


async def test_a_refused_refresh_token_while_the_token_serves(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 7: that is no error yet: a later call logs in."""
    source = world.source(policy=STEADY)
    await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(3000.0)
    told(caplog)
    await source.token()
    await settle()
    end = "the next call may try, the old token serves until 13:00 UTC"
    failed = "renewing jane@vendor failed after 0.00 s: ReauthenticationRequired: refused"
    assert [("WARNING", f"{failed}; {end}")] == told(caplog)


async def test_nothing_to_log_in_with(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is an error: waiting does not help."""
    with pytest.raises(ReauthenticationRequired):
        await world.source(None, policy=STEADY).token()
    ((level, text),) = told(caplog)
    assert ("ERROR", True) == (level, text.startswith("renewing jane@vendor failed after 0.00 s: Reauthentication"))


async def test_a_refused_password(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 10: it is an error, told once with the pause; a restart that may not send it says so as well."""
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            await world.source(WRONG).token()
    start = "the vendor refused the login of jane@vendor: InvalidCredentials: refused"
    assert ("ERROR", f"{start}; these credentials are not sent again for 300 s") == told(caplog)[0]
    async with world.source(WRONG) as source:
        with pytest.raises(InvalidCredentials):
            await source.token()
    assert [] == told(caplog)
    world.store = Twin(world.store)
    with pytest.raises(InvalidCredentials):
        await world.source(WRONG).token()
    ((level, text),) = told(caplog)
    assert ("ERROR", True) == (
        level,
        "refused these credentials a while ago; they are not sent again for 300 s" in text,
    )
    assert 1 == world.vendor.count["login"]


class Twin(Store):
    """Be the same store as another object, as a restart has it."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner


async def test_challenges(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 10a: what the vendor wants, whether somebody is asked, and that callers wait for an answer."""
    world.vendor.asks = "SMS_MFA"
    source = world.source()
    with pytest.raises(ChallengeRequired) as caught:
        await source.token()
    wants = "the vendor wants SMS_MFA from jane@vendor"
    end = "callers get this until it is answered, no token serves meanwhile"
    said = told(caplog)
    assert ("INFO", f"{wants}; nobody is there to be asked") == said[0]
    assert ("WARNING", True) == (said[1][0], said[1][1].endswith(end))
    with pytest.raises(InvalidCredentials):
        await source.answer(caught.value.challenge, {"CODE": "0"})
    assert ["ERROR"] == [level for level, _ in told(caplog)]
    await source.answer(caught.value.challenge, {"CODE": "123456"})
    assert told(caplog)[0][1].startswith("logged in jane@vendor by an answer after 0.00 s, next renewal at 12:")

    async def answer(_: Challenge) -> dict[str, str]:
        return {"CODE": "123456"}

    await world.source(account="joe@vendor", on_challenge=answer).token()
    said = told(caplog)
    assert ("INFO", "the vendor wants SMS_MFA from joe@vendor; on_challenge is asked") == said[0]
    assert 2 == len(said)


async def test_an_answer_and_a_login_that_fail(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """They are called what they are; no pause means that the next call may try."""
    source = steady(world.source(policy=STEADY))
    world.vendor.script["answer"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await source.answer(Challenge(name="X", account="jane@vendor", fields=("CODE",)), {"CODE": "1"})
    world.vendor.script["login"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await source.login()
    why = "failed after 0.00 s: AuthServiceUnavailable: POST: 503;"
    assert [
        ("WARNING", f"answering for jane@vendor {why} the next call may try, no token serves meanwhile"),
        ("WARNING", f"logging in jane@vendor {why} next try in 2 s, no token serves meanwhile"),
    ] == told(caplog)


async def test_a_store_that_fails_and_works_again(caplog: pytest.LogCaptureFixture) -> None:
    """Rule 16: trouble is a warning each time, its end is told once."""
    store = Store()
    world = World(store=store)
    store.failing = {"save"}
    source = world.source(policy=SOON)
    await source.token()
    store.failing = set()
    await store.saved.wait()
    await source.login()
    await source.aclose()
    account = "of jane@vendor"
    why = "save: StoreUnavailable: down; the token serves from memory"
    said = told(caplog, "engine.vault")
    assert ("WARNING", f"the token store {account} gives trouble, {why}") == said[0]
    assert [("INFO", f"the token store {account} works again, save: 0 s after it failed first")] == [
        one for one in said if one[0] == "INFO"
    ]


async def test_logouts(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 14: whether the vendor was told; if it could not be, that is a warning, with the reason."""
    source = world.source()
    await source.logout()
    await source.token()
    await source.logout()
    await source.token()
    world.vendor.script["revoke"].append(FAILING)
    await source.logout()
    assert [
        ("INFO", "logged out jane@vendor; it had no token"),
        ("INFO", "logged out jane@vendor; done at the vendor's, too"),
        ("WARNING", "logged out jane@vendor; the vendor could not be told: POST /revoke failed"),
    ] == told(caplog, "engine.logout")


async def test_what_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    """Replays and retries are for who looks closely: DEBUG."""
    async with serve() as api, api.client() as client:
        api.refused.add("token-1")
        api.script.extend([web.Response(status=503, headers={"Retry-After": "0"}), hang_up])
        await client.get("/x", params={"key": "a secret"})
        replay, retry, lost = [one for one in extra(caplog) if "path" in one]
        assert {"account": "jane@api", "method": "GET", "path": "/base/x", "status": 401} == replay
        assert [0.0, True] == [retry["pause"], 0 < lost["pause"] < 1]
        said = told(caplog, "_")
    assert 3 == len(said)
    refused = ("DEBUG", "GET /base/x: the token was refused with 401, sent again with a newer one")
    assert [refused, ("DEBUG", "GET /base/x: 503, sent again in 0.00 s")] == said[:2]
    assert ("DEBUG", True) == (said[2][0], said[2][1].startswith("GET /base/x: TransportError, sent again in 0."))


async def test_a_refusal_that_is_handed_back(caplog: pytest.LogCaptureFixture) -> None:
    """Where an integration raises nothing, one line says whose token was refused, by which request, and why it ends."""
    async with serve() as api, api.client() as client:
        api.refused.update(["token-1", "token-2"])
        middlewares = (authenticate(client.tokens),)
        async with (
            aiohttp.ClientSession(middlewares=middlewares) as session,
            session.get(f"{api.url}/x?key=s3cret") as answer,
        ):
            assert 401 == answer.status
        *_, last = extra(caplog)
        assert {"account": "jane@api", "method": "GET", "path": "/base/x", "status": 401} == last
        refused = "GET /base/x: the token was refused (401); a renewed token was refused as well"
        assert ("INFO", refused) == told(caplog, "_replay")[-1]


def test_fields_and_times() -> None:
    """No field is called as one of the logging module's own; a time of another day has its date."""
    names = fields("jane", how="x", seconds=1.0)
    assert {} == {name: value for name, value in names.items() if not name.startswith("vendorauth_")}
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), None)
    assert set() == names.keys() & vars(record).keys()
    assert "2026-01-03 12:00 UTC" == clock_time(NOON.replace(day=3), NOON.timestamp())
    assert "11:59 UTC" == clock_time(NOON.replace(hour=11, minute=59), NOON.timestamp())
