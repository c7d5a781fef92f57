"""Clocks that lie, jump or sleep, where other clients failed: pitfalls 38 to 43."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _keeping import SOON, Store
from _vendor import World, settle
from vendorauth import (
    AuthServiceUnavailable,
    FileTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    RefreshPolicy,
    RenewalFailed,
    Response,
    Token,
    TokenSource,
    TransportError,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

DEVICES = "/{customer_id}/devices"
APPS = "/api/v2/apps"
HOUR = 3600.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world() -> World:
    return World()


def proglove_of(fake: FakeProGlove, **options: Any) -> ProGloveClient:
    known = PasswordCredentials(fake.username, fake.password)
    return ProGloveClient(fake.base_url, fake.customer_id, known, cognito_url=fake.cognito_url, **options)


@pytest.mark.parametrize("skew", [-86_400.0, -5.0, 1.0, 5.0, 300.0, 86_400.0])
async def test_the_vendors_clock_is_another(clock: ManualClock, skew: float) -> None:
    """
    Pitfall 38: A login works, and its token lives as long as the vendor says, however wrong either clock is.

    Nobody compares the token's ``iat`` or ``exp`` with the local time.
    """
    async with (
        FakeProGlove(clock=lambda: clock.timestamp() + skew) as fake,
        proglove_of(fake, clock=clock) as client,
    ):
        fake.id_token_life = 1800.0
        for _ in range(13):
            await client.get(DEVICES)
            clock.advance(100)
        assert (1, 0, 0) == (fake.count.logins, fake.count.refreshes, fake.count.refused)
        clock.advance(490)
        await client.get(DEVICES)
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.refused)


async def test_the_same_token_again_and_again(world: World) -> None:
    """
    Pitfall 39: A vendor that gives the same token again and again is asked a few times with growing pauses, no more.

    This holds before the token's end, while it serves, and after it.
    """
    source = world.source()
    ends = (await source.token()).expires_at
    assert ends is not None
    for _ in range(2 * int(HOUR / 5)):
        left = max(0.0, _seconds(ends - world.clock.now()))
        same = Response(200, {}, _json({"token": "token-1", "life": left, "refresh": "refresh-1"}))
        world.vendor.script["refresh"].clear()
        world.vendor.script["refresh"].append(same)
        with suppress(AuthServiceUnavailable) if not left else nullcontext():
            await source.token()
        await settle_flight(source)
        world.clock.advance(5)
    assert 60 <= world.vendor.count["refresh"] <= 150


@pytest.mark.parametrize("life", [0.5, 5.0, 30.0, 61.0])
async def test_a_life_shorter_than_the_leeway(clock: ManualClock, life: float) -> None:
    """Pitfall 39: A token that lives for less than the leeway is used for what it lives, not renewed at every call."""
    policy = RefreshPolicy(leeway=300)
    async with (
        FakeProGlove(clock=clock.timestamp, token_life=life) as fake,
        proglove_of(fake, clock=clock, policy=policy) as client,
    ):
        for _ in range(100):
            await client.get(DEVICES)
    assert (1, 100) == (fake.count.logins + fake.count.refreshes, fake.count.api)


@pytest.mark.parametrize("asleep", [HOUR - 30, HOUR, 100 * HOUR])
async def test_asleep(clock: ManualClock, asleep: float) -> None:
    """Pitfall 40: After the machine slept, when timers and the monotonic clock stood still, the token is renewed first."""
    async with FakeProGlove(clock=clock.timestamp) as fake, proglove_of(fake, clock=clock) as client:
        await client.get(DEVICES)
        clock.suspend(asleep)
        await client.get(DEVICES)
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.refused)


async def test_set_back(world: World) -> None:
    """Pitfall 40: A wall clock that is set back does not prolong a token: the monotonic clock says that it is over."""
    source = world.source()
    first = await source.token()
    world.clock.advance(HOUR)
    world.clock.step(-HOUR)
    assert first != await source.token()


moves = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.floats(0, 2 * HOUR)),
        st.tuples(st.just("suspend"), st.floats(0, 2 * HOUR)),
        st.tuples(st.just("step"), st.floats(-2 * HOUR, 2 * HOUR)),
    ),
    max_size=15,
)


@given(moves=moves, life=st.floats(1, 3 * HOUR), leeway=st.floats(0, 600), fails=st.booleans())
def test_never_after_its_end(moves: list[tuple[str, float]], life: float, leeway: float, fails: bool) -> None:
    """
    Pitfall 41: No token is ever handed out after its end by either clock, whatever they do.

    While the vendor can be reached, it has the leeway left besides, or a twentieth of its life where that is less.
    """
    asyncio.run(_move_clocks(moves, life, leeway, fails=fails))


async def _move_clocks(moves: list[tuple[str, float]], life: float, leeway: float, *, fails: bool) -> None:
    world = World()
    world.vendor.life = life
    source = world.source(policy=RefreshPolicy(leeway=leeway))
    issued: dict[str, float] = {}
    for kind, seconds in moves:
        getattr(world.clock, kind)(seconds)
        if fails and world.vendor.count["issued"]:
            for request in ("refresh", "refresh", "login"):
                world.vendor.script[request].append(TransportError("down"))
        try:
            token = await source.token()
        except TransportError:
            continue
        finally:
            await settle_flight(source)
            world.vendor.script.clear()
        began = issued.setdefault(token.value, world.clock.monotonic())
        assert token.expires_at is not None
        left = min(life - (world.clock.monotonic() - began), _seconds(token.expires_at - world.clock.now()))
        assert left > 0
        assert fails or left >= min(leeway, life / 20) - 0.001


async def test_a_slow_answer(clock: ManualClock) -> None:
    """Pitfall 42: A token's life counts from before it was asked for, so that a slow answer does not prolong it."""
    asked_at = clock.now()
    async with FakeProGlove(clock=clock.timestamp) as fake, proglove_of(fake, clock=clock) as client:
        with fake.hold("login", processed=True) as hold:
            call = asyncio.create_task(client.get(DEVICES))
            await hold.arrived()
            clock.advance(600)
        await call
        token = client.tokens.peek()
        assert token is not None
        assert (asked_at, asked_at + timedelta(hours=1)) == (token.issued_at, token.expires_at)
        clock.advance(HOUR - 601)
        await client.get(DEVICES)
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.refused)


async def test_a_slow_cookie(clock: ManualClock) -> None:
    """Pitfall 42: The same holds for a session cookie with a ``Max-Age``."""
    async with FakeProtogrid(clock=clock.timestamp, session_life=HOUR) as fake:
        fake.max_age, fake.generation = int(HOUR), "2017"
        known = PasswordCredentials(fake.username, fake.password)
        async with ProtogridClient(fake.base_url, known, clock=clock) as client:
            with fake.hold("login", processed=True) as hold:
                call = asyncio.create_task(client.get(APPS))
                await hold.arrived()
                clock.advance(600)
            await call
            clock.advance(HOUR - 601)
            await client.get(APPS)
    assert (2, 0) == (fake.count.logins, fake.count.refused)


@pytest.fixture
def _zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zones")
async def test_time_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 43: Times are aware UTC, also in the store: the local time zone, and a change of it, mean nothing."""
    async with FakeProGlove() as fake:
        for zone in ("Etc/GMT-14", "Etc/GMT+12", "UTC"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            async with proglove_of(fake, store=FileTokenStore(tmp_path / "tokens")) as client:
                await client.get(DEVICES)
                token = client.tokens.peek()
                assert token is not None
                assert token.expires_at is not None
                assert timedelta(0) == token.expires_at.utcoffset()
                assert 3500 < _seconds(token.expires_at - datetime.now(UTC)) <= HOUR
    assert (1, 0) == (fake.count.logins, fake.count.refreshes)


def test_naive_times_are_refused() -> None:
    """Pitfall 43: A token whose times say nothing of their zone can't be made."""
    with pytest.raises(ValueError, match=r"^issued_at must be an aware datetime$"):
        Token(value="v", issued_at=datetime(2026, 1, 1))  # noqa: DTZ001  that is what is refused
    with pytest.raises(ValueError, match=r"^start must be an aware datetime$"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001  likewise


async def test_background_renewals_go_on_after_any_failure(world: World) -> None:
    """Pitfall 43: A renewal in the background that fails, even by a bug, is followed by another after a pause."""
    source = world.source()
    first = await source.token()
    failures = [
        TransportError("down"),
        Response(503, {}, b""),
        Response(200, {}, b"<html>"),
        ZeroDivisionError("a bug"),
    ]
    world.vendor.script["refresh"].extend([failures[0], failures[0], failures[1], *2 * [failures[2]], failures[3]])
    world.clock.advance(3300)
    for _ in failures:
        assert first == await source.token()
        await settle_flight(source)
        world.clock.advance(30)
    assert 4 == len(world.told(RenewalFailed))
    assert first == await source.token()
    await settle_flight(source)
    assert first != await source.token()
    assert 1 == world.vendor.count["login"]


async def test_saving_goes_on_after_any_failure() -> None:
    """Pitfall 43: A token that could not be stored is stored as soon as the store works again, whatever it raised."""
    store = Store()
    world = World(store=store)
    source = world.source(policy=SOON)
    store.failing = {"save"}
    for error in (OSError("disk"), ZeroDivisionError("a bug")):
        store.error = error
        await source.login()
        assert source.status().unsaved
        store.failed.clear()
        async with asyncio.timeout(5):
            await store.failed.wait()
    store.failing = set()
    async with asyncio.timeout(5):
        await store.saved.wait()
    await settle()
    assert (source.peek(), False) == (await store.load("jane@vendor"), source.status().unsaved)


async def settle_flight(source: TokenSource) -> None:
    """Wait until no renewal is under way."""
    for _ in range(500):
        await asyncio.sleep(0)
        if not source.status().renewing:
            await asyncio.sleep(0)
            return
    message = "a renewal does not end"
    raise AssertionError(message)


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)


def _seconds(span: timedelta) -> float:
    return span.total_seconds()
