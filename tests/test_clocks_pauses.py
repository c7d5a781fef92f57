"""Clocks that jump, and pauses: none gets longer than it says, and none gets short enough for a storm (rules 9, 10, 12)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from _api import serve
from _loops import DAY, HOUR, OtherClock, SharedStore, jump
from _renewals import FAILING
from _vendor import JANE, WRONG, VendorFlow, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    InvalidCredentials,
    RateLimited,
    RefreshPolicy,
    Request,
    Response,
    Token,
    TokenSource,
    VendorAuthError,
)
from vendorauth.testing import ManualClock

PAUSE = 300.0
FORWARD = [("suspend", HOUR), ("suspend", DAY), ("step", HOUR), ("step", DAY)]
BACK = [("step", -60.0), ("step", -HOUR), ("step", -DAY), ("step", -365 * DAY)]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def _cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def scrypt(text: bytes, *, salt: bytes, **_: Any) -> bytes:
        return hashlib.sha256(salt + text).digest()

    monkeypatch.setattr(hashlib, "scrypt", scrypt)


async def fails(source: TokenSource) -> VendorAuthError:
    """Call, and give the error."""
    with pytest.raises(VendorAuthError) as caught:
        await source.token()
    return caught.value


# Rule 9: a failed renewal.


@pytest.mark.parametrize("how", BACK, ids=str)
async def test_set_back_after_a_failure(world: World, how: tuple[str, float]) -> None:
    """Rule 9: a clock set back during a pause does not prolong it, nor what status() says of it."""
    world.vendor.script["login"].append(FAILING)
    source = world.source(policy=RefreshPolicy(backoff=(30.0, 60.0)))
    await fails(source)
    jump(world.clock, how)
    assert isinstance(await fails(source), AuthServiceUnavailable)
    assert 0 < (source.status().retry_in or 0) <= 30.0
    world.clock.advance(30.0)
    await source.token()
    assert 2 == world.vendor.count["login"]


@pytest.mark.parametrize("how", FORWARD, ids=str)
async def test_asleep_after_a_failure(world: World, how: tuple[str, float]) -> None:
    """Rules 9, 11: a machine that slept through the pause tries again at its first call, once."""
    world.vendor.script["login"].append(FAILING)
    source = world.source(policy=RefreshPolicy(backoff=(30.0, 60.0)))
    await fails(source)
    jump(world.clock, how)
    assert source.status().retry_in is None
    await source.token()
    assert 2 == world.vendor.count["login"]


async def test_ahead_of_expiry(world: World) -> None:
    """Rules 7, 9: the pause of a failed background renewal ends with a sleep as well; the token serves all the time."""
    source = world.source(policy=RefreshPolicy(backoff=(200.0, 200.0)))
    first = await source.token()
    world.clock.advance(3241.0)
    world.vendor.script["refresh"].append(FAILING)
    for asleep, expected in ((0.0, 1), (99.0, 1), (101.0, 2)):
        world.clock.suspend(asleep)
        assert first is await source.token()
        await settle()
        assert expected == world.vendor.count["refresh"]
    assert (await source.token()).is_newer_than(first)


@pytest.mark.parametrize("seconds", [DAY, HOUR])
async def test_clock_that_goes_to_and_fro(world: World, seconds: float) -> None:
    """Rule 9: a clock that two programs set to and fro costs one try, not one for each time."""
    world.vendor.script["login"].extend([FAILING] * 1000)
    source = world.source()
    for _ in range(50):
        await fails(source)
        world.clock.step(seconds)
        await fails(source)
        world.clock.step(-seconds)
    assert world.vendor.count["login"] <= 2


async def test_clock_that_runs_away(world: World) -> None:
    """Rule 9: each step forward costs one try at most, however many callers there are."""
    world.vendor.script["login"].extend([FAILING] * 1000)
    source = world.source()
    for _ in range(10):
        for _ in range(20):
            await fails(source)
        world.clock.step(HOUR)
    assert 10 == world.vendor.count["login"]


# Rule 10: a refused password.


@pytest.mark.usefixtures("_cheap_hash")
@pytest.mark.parametrize("how", BACK, ids=str)
async def test_set_back_after_a_refusal(world: World, how: tuple[str, float]) -> None:
    """Rule 10: a clock set back prolongs a refused password's pause neither here nor for the process that comes next."""
    source = world.source(WRONG)
    await fails(source)
    jump(world.clock, how)
    restarted = world.source(WRONG, store=SharedStore(world))
    for one in (source, restarted):
        assert isinstance(await fails(one), InvalidCredentials)
        assert 0 < (one.status().retry_in or 0) <= PAUSE
    world.clock.advance(PAUSE)
    world.vendor.passwords.add(WRONG.password)
    await restarted.token()
    assert 2 == world.vendor.count["login"]


@pytest.mark.usefixtures("_cheap_hash")
async def test_set_back_and_started_anew_each_minute(world: World) -> None:
    """Rule 10: nor for a command that runs each minute, and looks at the record for the first time each time."""
    await fails(world.source(WRONG))
    world.clock.step(-DAY)
    world.vendor.passwords.add(WRONG.password)
    for _ in range(5):
        await fails(world.source(WRONG, store=SharedStore(world)))
        world.clock.advance(60.0)
    assert 1 == world.vendor.count["login"]
    await world.source(WRONG, store=SharedStore(world)).token()
    assert 2 == world.vendor.count["login"]


@pytest.mark.usefixtures("_cheap_hash")
async def test_set_back_twice(world: World) -> None:
    """Rule 10: a second step back counts anew, from when it is seen."""
    await fails(world.source(WRONG))
    for _ in range(2):
        world.clock.step(-DAY)
        await fails(world.source(WRONG, store=SharedStore(world)))
        world.clock.advance(PAUSE - 1)
        await fails(world.source(WRONG, store=SharedStore(world)))
    assert 1 == world.vendor.count["login"]
    world.clock.advance(1.0)
    await fails(world.source(WRONG, store=SharedStore(world)))
    assert 2 == world.vendor.count["login"]


@pytest.mark.usefixtures("_cheap_hash")
@pytest.mark.parametrize("skew", [60.0, DAY])
async def test_machines_whose_clocks_differ(world: World, skew: float) -> None:
    """Rule 10: two machines that restart each minute with a wrong password send it seldom, whatever their clocks say."""
    clocks = [world.clock, OtherClock(world.clock, skew)]
    for _ in range(180):
        for clock in clocks:
            await fails(world.source(WRONG, store=SharedStore(world), clock=clock))
        world.clock.advance(60.0)
    # Three hours: 300, 600, 1200, 2400, 3600, 3600 s apart on one machine.
    assert world.vendor.count["login"] <= 2 * 6


@pytest.mark.usefixtures("_cheap_hash")
async def test_refused_while_the_clock_goes_to_and_fro(world: World) -> None:
    """Rule 10: a clock that is set to and fro sends a refused password once more, not once for each time."""
    source = world.source(WRONG)
    for _ in range(30):
        await fails(source)
        world.clock.step(DAY)
        await fails(source)
        world.clock.step(-DAY)
    assert world.vendor.count["login"] <= 2


@pytest.mark.usefixtures("_cheap_hash")
@pytest.mark.parametrize("seen", [-1.0, 1e30, float("nan"), float("inf"), "then", True])
async def test_record_that_was_seen_at_no_time(world: World, seen: Any) -> None:
    """Rule 10: a record that says nonsense of when it was seen latches nobody for longer than its pause."""
    await fails(world.source(WRONG))
    record = await world.store.load("jane@vendor|refused")
    details = {**record.details, "until": record.details["until"] + DAY, "seen": seen}
    odd = Token(value="", issued_at=record.issued_at, generation=record.generation + 1, details=details)
    await world.store.save("jane@vendor|refused", odd)
    world.vendor.passwords.add(WRONG.password)
    source = world.source(WRONG, store=SharedStore(world))
    for _ in range(2):
        try:
            await source.token()
        except InvalidCredentials:
            world.clock.advance(PAUSE)
    await source.token()
    assert 2 == world.vendor.count["login"]


# Rule 10a: a challenge.


@pytest.mark.parametrize("how", BACK, ids=str)
async def test_set_back_while_a_challenge_comes(world: World, how: tuple[str, float]) -> None:
    """Rule 10a: a clock set back while the challenge was on its way latches it for its three minutes, not for days."""

    async def send(request: Request) -> Response:
        response = await world.vendor.send(request)
        jump(world.clock, how)
        return response

    world.vendor.asks = "CODE"
    source = world.source(send=send)
    await fails(source)
    assert isinstance(await fails(source), ChallengeRequired)
    assert 0 < (source.status().retry_in or 0) <= 180.0
    world.clock.advance(180.0)
    await fails(source)
    assert 2 == world.vendor.count["login"]


async def test_set_back_while_a_person_is_asked(world: World) -> None:
    """Rule 10a: nor does one set back while somebody looks for the code."""

    async def nobody(challenge: Challenge) -> dict[str, str]:
        world.clock.step(-DAY)
        world.clock.advance(60.0)
        raise ChallengeRequired(challenge)

    world.vendor.asks = "CODE"
    source = world.source(on_challenge=nobody)
    await fails(source)
    assert isinstance(await fails(source), ChallengeRequired)
    assert 0 < (source.status().retry_in or 0) <= 120.0
    world.clock.advance(120.0)
    await fails(source)
    assert 2 == world.vendor.count["login"]


class RaisingFlow(VendorFlow):
    """Raise a challenge instead of returning it."""

    def login(self, credentials: Any, *, now: Any) -> Any:
        yield from super().login(credentials, now=now)
        raise ChallengeRequired(Challenge(name="CODE", account=self.account, expires_at=now + timedelta(seconds=180)))


async def test_challenge_that_is_raised(world: World) -> None:
    """Rule 10a: a challenge that a flow raises is latched like one that it returns."""
    source = TokenSource(RaisingFlow(), JANE, store=world.store, send=world.vendor.send, clock=world.clock)
    for _ in range(3):
        assert isinstance(await fails(source), ChallengeRequired)
    assert 1 == world.vendor.count["login"]
    world.clock.advance(180.0)
    await fails(source)
    assert 2 == world.vendor.count["login"]


# Rule 12: a renewal that would be futile; and what a vendor asks for.


@pytest.mark.parametrize("how", FORWARD + BACK, ids=str)
async def test_futile_pause(world: World, how: tuple[str, float]) -> None:
    """Rule 12: a jump makes the time of futile renewals no longer than a minute; a sleep ends it."""
    world.vendor.life = None
    source = world.source()
    token = await source.renew(await source.token())
    source.replay_refused(token, 403)
    assert token is await source.renew(token, status=403)
    jump(world.clock, how)
    if how in BACK:
        assert token is await source.renew(token, status=403)
        world.clock.advance(60.0)
    assert (await source.renew(token, status=403)).is_newer_than(token)


@pytest.mark.parametrize("skew", [-365 * DAY, -HOUR, 0.0, HOUR, 365 * DAY])
async def test_retry_after_by_the_servers_clock(skew: float) -> None:
    """Rule 9: a Retry-After that is a date counts from the answer's own Date, however far that is from our time."""
    clock = ManualClock()
    sent = clock.now() + timedelta(seconds=skew)
    headers = {
        "Date": format_datetime(sent, usegmt=True),
        "Retry-After": format_datetime(sent + timedelta(seconds=90), usegmt=True),
    }
    async with serve() as api, api.client(clock=clock) as client:
        api.script.append(web.json_response({}, status=429, headers=headers))
        with pytest.raises(RateLimited) as caught:
            await client.get("/x")
    assert 90.0 == caught.value.retry_after
