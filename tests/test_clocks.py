"""Clocks that jump: no token is held past its end, no renewal too many, no call that fails (DESIGN, rule 11)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _keeping import Store
from _loops import DAY, HOUR, OtherClock, SharedStore, assert_alive, exchanges, jump
from _pitfalls import client_of
from _vendor import JANE, World, settle
from vendorauth import RefreshPolicy, RenewalFailed, Request, Response, Token
from vendorauth.engine.freshness import NEVER, Moment
from vendorauth.testing import FakeProGlove, ManualClock

ACCOUNT = "jane@vendor"
PHASES = {"young": 0.0, "ageing": 3300.0, "stale": 3550.0, "over": 3601.0}
STEPS = [1.0, 61.0, HOUR, DAY, 30 * DAY]
JUMPS = [("suspend", seconds) for seconds in STEPS] + [("step", sign * one) for one in STEPS for sign in (1, -1)]

SECONDS = st.sampled_from([0.5, 1.0, 2.0, 59.0, 61.0, 600.0, 3599.0, 3601.0, DAY, 30 * DAY])
SIGNED = SECONDS | SECONDS.map(lambda seconds: -seconds)
JUMP = st.tuples(st.just("suspend"), SECONDS) | st.tuples(st.just("step"), SIGNED)
MOVES = st.one_of(
    JUMP,
    st.tuples(st.just("advance"), SECONDS),
    st.tuples(st.just("meanwhile"), JUMP),
    st.tuples(st.sampled_from(["token", "refused", "restart"]), st.integers(0, 1)),
)


@pytest.fixture
def world() -> World:
    return World()


class Process:
    """Use the world's account from a process of its own, and check what it gets."""

    def __init__(self, schedule: Schedule, skew: float) -> None:
        self.schedule = schedule
        self.clock = OtherClock(schedule.world.clock, skew, zero=skew)
        self.began = self.clock.monotonic()
        self.since: dict[str, float] = {}
        self.exchanges = 0
        self.allowed = 0
        self.start()

    def start(self) -> None:
        """Begin with nothing but the store."""
        store = SharedStore(self.schedule.world)
        self.source = self.schedule.world.source(JANE, store=store, send=self.send, clock=self.clock)
        self.since.clear()
        self.allowed += 1

    async def send(self, request: Request) -> Response:
        """Take a tenth of a token's life, and let the clocks jump between a request and its answer."""
        vendor, sent = self.schedule.world.vendor, self.clock.monotonic()
        self.exchanges += 1
        response = await vendor.send(request)
        self.since[f"token-{vendor.count['issued']}"] = sent
        self.schedule.answer_comes()
        return response

    async def token(self) -> Token:
        """Get a token, which may have been held for no longer than it lives: counted from its request on."""
        held = self.source.peek()
        token = await self.source.token()
        since = self.since.setdefault(token.value, self.clock.monotonic())
        assert token.expires_at is not None
        # Rule 7: whoever waited for a new token gets it, even if a jump ended it on its way.
        if held is not None and held.generation == token.generation:
            assert self.clock.now() < token.expires_at
            assert self.clock.monotonic() - since < self.schedule.life
        await settle()
        return token

    def check_renewals(self) -> None:
        """Check that there were no more than time, jumps, refusals and starts explain."""
        assert self.exchanges <= self.allowed + (self.clock.monotonic() - self.began) / (self.schedule.life * 0.8)


class Schedule:
    """Play moves of the clocks, and calls of two processes, in any order; the vendor is always fine."""

    def __init__(self, life: float, skew: float, *, rotates: bool) -> None:
        self.world = World()
        self.world.vendor.life = self.life = life
        self.world.vendor.rotates = rotates
        self.meanwhile: list[tuple[str, float]] = []
        self.processes = [Process(self, 0.0), Process(self, skew)]

    async def play(self, moves: list[tuple[str, Any]]) -> None:
        """Play *moves*, and check after each."""
        for name, what in moves:
            if name in {"token", "refused", "restart"}:
                await self._call(name, self.processes[what])
            elif name == "meanwhile":
                self.meanwhile.append(what)
            else:
                self._move(name, what)
            for process in self.processes:
                process.check_renewals()
        assert [] == self.world.told(RenewalFailed)

    async def _call(self, name: str, process: Process) -> None:
        if name == "restart":
            process.start()
            return
        token = await process.token()
        if name == "refused":
            self._move("advance", 0.1)
            process.allowed += 1
            assert (await process.source.renew(token)).is_newer_than(token)

    def answer_comes(self) -> None:
        """Let time pass until an answer is there."""
        self._move("advance", self.life / 10)
        if self.meanwhile:
            self._move(*self.meanwhile.pop())

    def _move(self, name: str, seconds: float) -> None:
        getattr(self.world.clock, name)(seconds)
        for process in self.processes:
            process.allowed += name != "advance"


@given(
    st.sampled_from([3.0, 60.0, HOUR, DAY]), SIGNED, st.booleans(), st.lists(MOVES, min_size=5, max_size=30)
)  # fmt: skip
def test_any_schedule(life: float, skew: float, rotates: bool, moves: list[tuple[str, Any]]) -> None:
    """Rule 11: whatever the clocks of two machines do, no token is held past its end, renewals are bounded, no call fails."""
    asyncio.run(Schedule(life, skew, rotates=rotates).play(moves))


async def together(call: Callable[[], Any]) -> list[Token]:
    """Call 20 times at once, and let what that started end."""
    tokens = await asyncio.gather(*(call() for _ in range(20)))
    await settle()
    return tokens


@pytest.mark.parametrize("how", JUMPS, ids=str)
@pytest.mark.parametrize("phase", PHASES)
async def test_jump_in_each_phase_of_a_life(world: World, phase: str, how: tuple[str, float]) -> None:
    """Rule 11, pitfall 40: a jump in any phase of a token's life costs one renewal at most, and no call."""
    source = world.source()
    await source.token()
    world.clock.advance(PHASES[phase])
    jump(world.clock, how)
    await together(source.token)
    assert_alive(await together(source.token), source, world.clock.now())
    assert exchanges(world) <= 2


@pytest.mark.parametrize("how", JUMPS, ids=str)
@pytest.mark.parametrize("phase", ["ageing", "over"])
async def test_jump_during_a_renewal(world: World, phase: str, how: tuple[str, float]) -> None:
    """Rule 11: a jump between a refresh and its answer costs one more renewal at most, and no call."""
    source = world.source()
    await source.token()
    world.clock.advance(PHASES[phase])
    gate = world.vendor.gate("refresh")
    calls = [asyncio.ensure_future(source.token()) for _ in range(20)]
    await gate.arrived.wait()
    jump(world.clock, how)
    gate.open()
    await asyncio.gather(*calls)
    await settle()
    await together(source.token)
    assert_alive(await together(source.token), source, world.clock.now())
    assert exchanges(world) <= 3


async def test_life_counts_from_the_request_though_the_clock_was_set_back(world: World) -> None:
    """Rule 11, pitfall 42: a slow answer adds nothing to a token's life, by the monotonic clock neither."""

    async def slow(request: Request) -> Response:
        response = await world.vendor.send(request)
        world.clock.advance(600.0)
        world.clock.step(-DAY)
        return response

    source = world.source(send=slow)
    first = await source.token()
    world.clock.advance(2930.0)
    assert first is await source.token()
    world.clock.advance(71.0)
    assert (await source.token()).is_newer_than(first)


async def test_set_back_is_no_lack_of_progress(world: World) -> None:
    """Rules 7, 11: a clock set back makes new tokens end earlier, by its own face; that brings no pause, however often."""
    world.vendor.life = 5.0
    source = world.source(policy=RefreshPolicy(backoff=(30.0, 60.0)))
    for _ in range(10):
        await source.token()
        world.clock.step(-HOUR)
        world.clock.advance(5.0)
    assert (10, 0) == (exchanges(world), source.status().failures)


async def test_token_that_never_lasts_longer_brings_a_pause(world: World) -> None:
    """Rule 7, pitfall 39: a vendor whose tokens end at once is not asked at each call, clocks or not."""
    world.vendor.life = 0.0
    source = world.source(policy=RefreshPolicy(backoff=(30.0, 60.0)))
    await source.token()
    for _ in range(10):
        world.clock.step(-HOUR)
        await asyncio.gather(source.token(), return_exceptions=True)
    assert exchanges(world) <= 2


@pytest.mark.parametrize("skew", [-DAY, -2 * HOUR, -60.0, 60.0, 2 * HOUR, DAY])
async def test_siblings_whose_clocks_differ(world: World, skew: float) -> None:
    """Rules 5, 11: two machines with different clocks share a token for half a day, and each renews as seldom as alone."""
    world.vendor.rotates = True
    clocks = [world.clock, OtherClock(world.clock, skew)]
    sources = [world.source(store=SharedStore(world), clock=clock) for clock in clocks]
    for _ in range(72):
        for source in sources:
            await source.token()
            await settle()
        world.clock.advance(600.0)
    assert [] == world.told(RenewalFailed)
    assert [] == world.vendor.spent
    assert exchanges(world) <= 2 * 12 * HOUR / (0.8 * HOUR) + 2


async def test_record_of_the_future(world: World) -> None:
    """Rule 11: a token stored by a clock a year ahead serves, for no longer than it lives, and is then renewed."""
    await world.source(store=SharedStore(world), clock=OtherClock(world.clock, 365 * DAY)).token()
    source = world.source(store=SharedStore(world))
    first = await source.token()
    assert first.issued_at > world.clock.now()
    world.clock.advance(HOUR)
    second = await source.token()
    assert second.is_newer_than(first)
    assert second == await world.store.load(ACCOUNT)
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


@pytest.mark.parametrize("rotates", [True, False])
@pytest.mark.parametrize("back", [0.0, HOUR, DAY])
async def test_logged_in_anew_by_a_clock_set_back(world: World, back: float, rotates: bool) -> None:
    """Rules 8, 11, 14: after another process logged out and in again, with a clock set back, its login is found here."""
    world.vendor.rotates = rotates
    command = world.source(store=SharedStore(world))
    await command.login()
    service = world.source(None, store=SharedStore(world))
    await service.token()
    world.clock.step(-back)
    await command.logout()
    again = world.source(store=SharedStore(world))
    world.clock.advance(10.0)
    await again.login()
    world.clock.advance(3601.0)
    token = await service.token()
    assert token == await world.store.load(ACCOUNT)
    assert token == await again.token()
    assert 2 == world.vendor.count["login"]


async def test_record_of_the_past(world: World) -> None:
    """Rule 11: a token stored by a clock a day behind is refreshed, not logged in for, and the new one replaces it."""
    await world.source(store=SharedStore(world), clock=OtherClock(world.clock, -DAY)).token()
    token = await world.source(store=SharedStore(world)).token()
    assert token == await world.store.load(ACCOUNT)
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


@pytest.mark.parametrize("off", [1.0, 1800.0])
async def test_monotonic_clock_begins_anew(world: World, off: float) -> None:
    """Rule 11: after a reboot the monotonic clock means nothing; what is stored lives by the wall clock, and no longer."""
    world.clock.advance(10 * DAY)
    first = await world.source(store=SharedStore(world)).token()
    world.clock.advance(off)
    rebooted = world.source(store=SharedStore(world), clock=OtherClock(world.clock, zero=world.clock.monotonic()))
    assert first == await rebooted.token()
    world.clock.advance(HOUR - off)
    assert (await rebooted.token()).is_newer_than(first)


def test_unsaved_token_in_a_later_loop() -> None:
    """Rules 11, 15: a token taken along to a later event loop lives no longer for it, though the clock was set back."""
    store = Store()
    world = World(store=store)
    store.failing = {"save"}
    source = world.source()

    async def last_call() -> Token:
        first = await source.token()
        world.clock.advance(601.0)
        again = await source.token()
        await source.aclose()
        return again if again is not first else first

    first = asyncio.run(source.token())
    world.clock.advance(3000.0)
    world.clock.step(-DAY)
    assert asyncio.run(last_call()).is_newer_than(first)


@pytest.mark.parametrize("year", [1970, 1999, 2038, 2107, 2999])
async def test_any_year(year: int) -> None:
    """Rule 11: a machine without a clock of its own starts in 1970; the right time, once known, costs one renewal."""
    clock = ManualClock(datetime(year, 1, 1, tzinfo=UTC))
    world = World(clock=clock)
    source = world.source()
    first = await source.token()
    assert first is await source.token()
    clock.step((datetime(2026, 5, 5, tzinfo=UTC) - clock.now()).total_seconds())
    assert_alive(await together(source.token), source, clock.now())
    assert exchanges(world) <= 2


def test_moments() -> None:
    """A moment is as far off as its nearer clock says; a time of the wall clock is that far off on both; none is never."""
    noon = Moment(1000.0, 50.0)
    assert Moment(1010.0, 60.0) == noon.after(10.0)
    assert (10.0, 4.0, 0.0) == tuple(
        noon.after(10.0).left(Moment(*now)) for now in ((1000, 50), (1006, 51), (1000, 70))
    )
    assert Moment(1005.0, 52.0) == Moment(1005.0, 60.0).or_earlier(Moment(1010.0, 52.0))
    assert noon.after(20.0) == noon.when(datetime.fromtimestamp(1020, UTC))
    assert NEVER == noon.when(None)


CLAIMS = {
    "floats": ({"iat": 0.25, "exp": 1800.75}, 1800.5),
    "of another year": ({"iat": 9e9, "exp": 9e9 + 1800}, 1800.0),
    "before the epoch": ({"iat": -5000, "exp": -3200}, 1800.0),
    "ends before it begins": ({"iat": 1800, "exp": 0}, HOUR),
    "ends when it begins": ({"iat": 5, "exp": 5}, HOUR),
    "for ever": ({"iat": 0, "exp": 10**30}, HOUR),
}


@pytest.mark.parametrize("name", CLAIMS)
async def test_claims_of_any_clock(name: str) -> None:
    """Rule 11, pitfall 38: a token lives ``exp - iat`` whenever these are, and ``ExpiresIn`` where they say nonsense."""
    claims, life = CLAIMS[name]
    payload = base64.urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")

    def with_claims(body: Any) -> Any:
        return {**body, "AuthenticationResult": {**body["AuthenticationResult"], "IdToken": f"e30.{payload}.c2ln"}}

    async with FakeProGlove() as fake, client_of(fake) as client:
        fake.amend("login", with_claims)
        token = await client.tokens.token()
        assert token.expires_at is not None
        assert timedelta(seconds=life) == token.expires_at - token.issued_at
        assert "fresh" == client.tokens.status().state
