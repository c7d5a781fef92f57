"""Logins at an even pace, where many accounts share a quota."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from _cancel import Interrupt, at_each_suspension
from _loops import SharedStore
from _stores import WrappedStore
from _vendor import World, settle
from vendorauth import AuthServiceUnavailable, Challenge, StoreLockTimeout
from vendorauth.engine.turns import Pace


class Clock:
    """Be the loop's time, which goes on to the next timer when nothing else can run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._loop = asyncio.get_running_loop()
        monkeypatch.setattr(self._loop, "time", lambda: self.now)

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass, a hundredth at a time."""
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            await settle()


async def test_even_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns come in order, one at once, the others at an even pace, without a burst after a rest."""
    clock, pace, taken = Clock(monkeypatch), Pace(10), list[tuple[int, float]]()

    async def take(number: int) -> None:
        await pace.take()
        taken.append((number, round(clock.now - 1000.0, 2)))

    tasks = [asyncio.create_task(take(number)) for number in range(4)]
    await clock.advance(0.5)
    assert [(0, 0.0), (1, 0.1), (2, 0.2), (3, 0.3)] == [(number, round(when, 1)) for number, when in taken]
    await clock.advance(2.0)
    tasks += [asyncio.create_task(take(number)) for number in (4, 5)]
    await settle()
    assert 5 == len(taken)
    await clock.advance(0.2)
    await asyncio.gather(*tasks)


async def test_cancelled_waiters_take_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cancelled while waiting takes nothing from those behind."""
    clock, pace = Clock(monkeypatch), Pace(1)
    await pace.take()
    tasks = [asyncio.create_task(pace.take()) for _ in range(5)]
    await settle()
    for task in tasks[:4]:
        task.cancel()
    await clock.advance(1.1)
    assert tasks[4].done()
    assert all(task.cancelled() for task in tasks[:4])


async def test_cancelled_anywhere() -> None:
    """Cancelled at any suspension, a wait leaves the pace working."""

    async def scenario(interrupt: Interrupt) -> None:
        pace = Pace(10)
        await pace.take()
        await interrupt(pace.take())
        async with asyncio.timeout(5):
            await pace.take()

    assert 0 < await at_each_suspension(scenario)


async def test_wait_is_outside_lock_and_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4: who waits for a turn, however long, holds no lock of the store, and the deadline has not begun."""
    clock, world, pace = Clock(monkeypatch), World(), Pace(0.02)
    await pace.take()
    source = world.source()
    source.pace(pace)
    call = asyncio.create_task(source.token())
    await settle()
    async with asyncio.timeout(1):
        async with world.store.lock("jane@vendor"):
            pass
    clock.now += 49.0
    await settle()
    assert not call.done()
    clock.now += 2.0
    await settle()
    assert "token-1" == (await call).value
    await source.aclose()


async def test_turn_that_was_not_needed_is_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds, once it is their turn, that others have renewed leaves the turn to the next one: it is one for all."""
    clock, world, pace = Clock(monkeypatch), World(), Pace(0.01)
    names = [f"account-{number}" for number in range(4)]
    sources = [world.source(account=name) for name in names]
    siblings = [world.source(account=name, store=SharedStore(world)) for name in names]
    for source in sources:
        await source.token()
    world.clock.advance(3600)
    renewed = [await source.token() for source in siblings]
    for source in sources:
        source.pace(pace)
    await pace.take()
    calls = [asyncio.create_task(source.token()) for source in sources]
    await settle()
    assert not any(call.done() for call in calls)
    clock.now += 100.0
    await settle()
    assert renewed == [call.result() for call in calls]
    for source in (*sources, *siblings):
        await source.aclose()


class LockedLater(WrappedStore):
    """Give the lock once, and then to somebody else."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        if not self.left:
            message = "somebody else holds it"
            raise StoreLockTimeout(message)
        self.left -= 1
        return super().lock(account)


async def test_turn_that_got_no_lock_is_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A login in two steps takes two turns; the second is given back when the store's lock can't be had for it."""
    clock, pace = Clock(monkeypatch), Pace(0.1)
    world = World(store=LockedLater())
    world.vendor.asks = "SMS_MFA"

    async def answer(_: Challenge) -> dict[str, str]:
        return {"CODE": "123456"}

    source = world.source(on_challenge=answer)
    source.pace(pace)
    login = asyncio.create_task(source.token())
    await clock.advance(10.1)
    with pytest.raises(StoreLockTimeout):
        await login
    assert {"login": 1} == dict(world.vendor.count)
    following = asyncio.create_task(pace.take())
    await settle()
    assert following.done()
    await source.aclose()


async def test_closed_pace_gives_no_turn() -> None:
    """Once closed, nobody waits: not who waited before, nor who comes later."""
    pace = Pace(0.001)
    await pace.take()
    waiting = asyncio.create_task(pace.take())
    await settle()
    pace.close()
    for call in (waiting, pace.take()):
        with pytest.raises(AuthServiceUnavailable, match="closing"):
            await call
