"""However an auth service fails, it is asked two times a minute at most, and heard again within a minute (rule 9)."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _renewals import BrokenStore
from _storms import HOUR, MANY, PASSING, REFUSED, Storm, Weather, cheap_hash, crowd
from _vendor import JANE
from vendorauth import (
    AuthServiceUnavailable,
    InvalidCredentials,
    ProtocolError,
    RequestTimeout,
    Response,
    TransportError,
)

__all__ = ["cheap_hash"]

pytestmark = pytest.mark.usefixtures("cheap_hash")

TROUBLES: dict[str, Callable[[], Response | Exception]] = {
    "500": lambda: Response(500, {}, b""),
    "503, Retry-After 30": lambda: Response(503, {"Retry-After": "30"}, b""),
    "503, Retry-After of years": lambda: Response(503, {"Retry-After": "1e9"}, b""),
    "429": lambda: AuthServiceUnavailable("POST: 429", "TooManyRequestsException"),
    "429, Retry-After 0": lambda: AuthServiceUnavailable("POST: 429", None, None, 0.0),
    "429, Retry-After below zero": lambda: AuthServiceUnavailable("POST: 429", None, None, -5.0),
    "connection refused": lambda: TransportError("POST: refused", False),
    "connection lost": lambda: TransportError("POST: lost"),
    "timeout": lambda: RequestTimeout("POST: no answer"),
    "a page with 200": lambda: Response(200, {}, b"<html>"),
    "a page with 403": lambda: Response(403, {}, b"<html>"),
    "no HTTP": lambda: ProtocolError("POST: not proper HTTP"),
    "a bug in the flow": lambda: RuntimeError("bug"),
}


@pytest.fixture
def storm() -> Storm:
    return Storm()


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_login_in_an_outage(storm: Storm, trouble: str) -> None:
    """Rule 9: at most 127 logins in any hour of an outage, and a token within 60 s of its end."""
    make = TROUBLES[trouble]
    storm.vendor.weather = lambda _: make()
    source = storm.source()
    got = await storm.hours(1.5, 15, 1, source.token)
    assert "Token" not in got
    assert PASSING >= storm.ledger.busiest_hour() >= 60
    storm.vendor.weather = lambda _: None
    storm.clock.advance(60)
    assert {"Token": 2} == await crowd(2, source.token)


async def test_shortest_pauses_that_chance_gives(storm: Storm) -> None:
    """Rule 9: with the jitter always at its worst, 127 logins in an hour is what a caller per second brings."""
    storm.vendor.weather = lambda _: Response(503, {}, b"")
    source = storm.source()
    source._setup = attrs.evolve(source._setup, draw=lambda: 0.999999)  # type: ignore[misc]  # it is final to all others
    await storm.hours(1.2, 1, 1, source.token)
    assert PASSING >= storm.ledger.busiest_hour() >= PASSING - 8


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_refresh_in_an_outage(storm: Storm, trouble: str) -> None:
    """Rules 9, 9a: at most 254 refreshes in any hour (each lost one is repeated once), no login, recovery in 60 s."""
    source = storm.source()
    await source.token()
    make = TROUBLES[trouble]
    storm.vendor.weather = lambda _: make()
    storm.clock.advance(HOUR + 1)
    await storm.hours(1.5, 15, 1, source.token)
    assert 2 * PASSING >= storm.ledger.busiest_hour("refresh") >= 60
    storm.vendor.weather = lambda _: None
    storm.clock.advance(60)
    assert {"Token": 2} == await crowd(2, source.token)
    assert 1 == len(storm.ledger.of("login"))


@pytest.mark.parametrize(("callers", "tick", "hours"), [(100, 60.0, 1.0), (MANY, 1800.0, 0.5)])
async def test_crowds_in_an_outage(storm: Storm, callers: int, tick: float, hours: float) -> None:
    """Rules 2, 9: 100 or 10,000 callers at once bring one exchange, and no more per hour than one caller does."""
    storm.vendor.weather = lambda _: Response(503, {}, b"")
    source = storm.source()
    got = await storm.hours(hours, tick, callers, source.token)
    assert {"AuthServiceUnavailable"} == got.keys()
    assert PASSING >= storm.ledger.busiest_hour() >= 1
    assert len(set(storm.ledger.of())) == len(storm.ledger.of())


async def test_outage_before_a_refusal(storm: Storm) -> None:
    """Rules 9, 10: hours of failures do not count as refusals: the first pause is 300 s, and the last an hour."""
    storm.vendor.weather = lambda _: Response(503, {}, b"")
    storm.vendor.passwords.clear()
    source = storm.source()
    await storm.hours(2, 20, 1, source.token)
    storm.vendor.weather = lambda _: None
    storm.clock.advance(60)
    ended = storm.clock.monotonic()
    await storm.hours(6, 60, 2, source.token)
    after = [time - ended for time in storm.ledger.of() if time >= ended]
    assert [0.0, 300.0, 900.0] == after[:3]
    storm.vendor.passwords.add(JANE.password)
    await storm.hours(1, 60, 1, source.token)
    assert "fresh" == source.status().state


@pytest.mark.parametrize("life", [0.0, -3600.0])
@pytest.mark.parametrize("gives", [True, False])
async def test_tokens_that_are_dead_when_they_come(storm: Storm, life: float, *, gives: bool) -> None:
    """Rules 7, 9: dead on arrival: at most 127 renewals in any hour, by login or by refresh, for callers who come every 20 s."""
    storm.vendor.life, storm.vendor.gives_refresh_token = life, gives
    await storm.hours(2, 20, 2, storm.source().token)
    assert PASSING >= storm.ledger.busiest_hour() >= 60


@pytest.mark.parametrize(("life", "share"), [(1.0, 0.8), (0.25, 0.8), (5.0, 0.8)])
async def test_tokens_that_live_for_a_moment(storm: Storm, life: float, share: float) -> None:
    """Rule 7: at most one renewal in four fifths of a token's life, however short that is; nobody gets an error."""
    storm.vendor.life = life
    got = await storm.hours(0.02, 0.05, 1, storm.source().token)
    assert {"Token"} == got.keys()
    times = storm.ledger.of()
    assert min(later - earlier for earlier, later in pairwise(times)) >= life * share - 0.01


async def test_tokens_that_end_earlier_and_earlier(storm: Storm) -> None:
    """Rule 7: an end that does not move on brings pauses: at most 127 renewals in any hour."""
    end = storm.clock.monotonic() + 600
    source = storm.source()

    async def token() -> Any:
        storm.vendor.life = end - storm.clock.monotonic()
        return await source.token()

    await storm.hours(2, 20, 1, token)
    assert PASSING >= storm.ledger.busiest_hour() >= 60


async def test_store_that_is_down(storm: Storm) -> None:
    """Rules 9, 16: without its store a source asks no more often, and serves."""
    storm.store = BrokenStore()
    source = storm.source()
    got = await storm.hours(6, 60, 5, source.token)
    assert {"Token"} == got.keys()
    assert 2 >= storm.ledger.busiest_hour()
    await source.aclose()


def _weather(seed: int, kinds: list[str]) -> Weather:
    chance = random.Random(seed)
    return lambda _: None if (kind := chance.choice(kinds)) == "fine" else TROUBLES[kind]()


@settings(max_examples=20)
@given(
    hours=st.lists(
        st.tuples(
            st.lists(st.sampled_from([*TROUBLES, "fine"]), min_size=1, max_size=3),
            st.sampled_from(["right", "wrong", "gone"]),
            st.sampled_from([3600.0, 60.0, 0.0]),
        ),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 2**32),
)
async def test_any_weather(hours: list[tuple[list[str], str, float]], seed: int) -> None:
    """Rules 9, 10: any mix of troubles, hour by hour, with the password changed back and forth: the bounds hold."""
    storm = Storm()
    source = storm.source()
    for kinds, password, life in hours:
        storm.vendor.weather = _weather(seed, kinds)
        storm.vendor.life = life
        storm.vendor.passwords = {JANE.password} if password == "right" else set()
        if password == "gone":
            storm.vendor.refresh_tokens.clear()
        await storm.hours(0.5, 30, 1, source.token)
    assert 2 * PASSING >= storm.ledger.busiest_hour()
    assert PASSING >= storm.ledger.busiest_hour("login")
    # An hour in which nothing is wrong but the password, which the last hour may have refused already.
    storm.vendor.weather, storm.vendor.life = (lambda _: None), HOUR
    storm.vendor.passwords = set()
    storm.vendor.refresh_tokens.clear()
    storm.clock.advance(HOUR + 1)
    calm = storm.clock.monotonic()
    assert {"InvalidCredentials": 2} == await crowd(2, source.token)
    await storm.hours(1, 60, 2, source.token)
    assert REFUSED >= len([time for time in storm.ledger.of("login") if time >= calm])
    storm.vendor.passwords = {JANE.password}
    storm.clock.advance(HOUR)
    assert {"Token": 2} == await crowd(2, source.token)


async def test_refusals_in_between_failures(storm: Storm) -> None:
    """Rules 9, 10: a vendor that says by turns "refused" and "later": a refusal's pause holds all the same."""
    answers = 0

    def by_turns(_: str) -> Exception:
        nonlocal answers
        answers += 1
        return InvalidCredentials("no") if answers % 2 else AuthServiceUnavailable("later")

    storm.vendor.weather = by_turns
    await storm.hours(6, 20, 1, storm.source().token)
    assert 2 * REFUSED >= storm.ledger.busiest_hour()
