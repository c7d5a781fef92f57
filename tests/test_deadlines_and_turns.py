"""What the faster request path and the pool must not leave behind, hold on to, or lose."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest
from aiohttp import ClientSession

from _vendor import World, settle
from vendorauth import TokenSource
from vendorauth.engine.deadlines import Deadlines
from vendorauth.engine.turns import Pace
from vendorauth.pool import ClientPool


class Job:
    """Be what an application keeps in a context variable while it serves a request."""


JOB: ContextVar[Job | None] = ContextVar("JOB", default=None)


class Client:
    """Be the least that a pool can keep."""

    def __init__(self, key: str, session: ClientSession) -> None:
        self.session = session
        self.tokens: TokenSource = World().source(account=key)

    async def aclose(self) -> None:
        """Close the source."""
        await self.tokens.aclose()


async def use(pool: ClientPool[str, Client]) -> ClientSession:
    """Enter *pool* and use a client; give the session that it was lent."""
    await pool.__aenter__()
    async with pool.client("jane") as client:
        return client.session


async def call(deadlines: Deadlines, seconds: float) -> None:
    """Begin and end one call, at once."""
    loop = asyncio.get_running_loop()
    timeout = deadlines.watch(loop.time() + seconds, loop)
    async with timeout:
        pass
    deadlines.forget(timeout)


async def test_pool_entered_by_two_while_it_closes() -> None:
    """Whoever enters a closing pool second does not drop what the first one has opened meanwhile."""
    pool = ClientPool(Client)
    await use(pool)
    closing = asyncio.ensure_future(pool.aclose())
    await asyncio.sleep(0)
    sessions = await asyncio.gather(use(pool), use(pool))
    await closing
    await pool.aclose()
    assert sessions[0] is sessions[1]
    assert all(session.closed for session in sessions)


@pytest.mark.parametrize("steps", [0, 1])
async def test_closing_that_was_cancelled_can_be_done_again(steps: int) -> None:
    """A shutdown that cancels every task, the closing as well, leaves a pool that can be closed, and entered."""
    pool = ClientPool(Client)
    session = await use(pool)
    waiting = asyncio.ensure_future(pool.aclose())
    await asyncio.sleep(0)
    for _ in range(steps):
        await asyncio.sleep(0)
    assert pool._home is not None
    assert pool._home.closing is not None
    pool._home.closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await pool.aclose()
    assert session.closed
    assert not (await use(pool)).closed
    await pool.aclose()


async def test_timers_hold_no_request() -> None:
    """The timers of a pool, and of a client's calls, run for all: they keep nobody's context alive."""
    deadlines, pool = Deadlines(), ClientPool(Client)

    async def serve() -> weakref.ref[Job]:
        job = Job()
        JOB.set(job)
        await use(pool)
        await call(deadlines, 3600)
        return weakref.ref(job)

    job = await asyncio.create_task(serve())
    await settle()
    gc.collect()
    assert job() is None
    await pool.aclose()


async def test_timers_do_not_pile_up() -> None:
    """Calls, each with an earlier end than the one before, leave no timer each until that end."""
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    made: list[asyncio.TimerHandle] = []
    call_at = loop.call_at

    def noted(*arguments: object) -> asyncio.TimerHandle:
        made.append(call_at(*arguments))  # type: ignore[arg-type]  # whatever it is
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_at", noted)
        for number in range(1000):
            await call(deadlines, 3600 - number)
    assert 1 == sum(not timer.cancelled() for timer in made)


async def test_outage_costs_few_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of calls that end one after another are not gone through once for each of them."""
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    rings = 0
    call_at = loop.call_at

    def noted(*arguments: object) -> asyncio.TimerHandle:
        nonlocal rings
        rings += 1
        return call_at(*arguments)  # type: ignore[arg-type]  # whatever it is

    async def hang(end: float) -> None:
        timeout = deadlines.watch(end, loop)
        with pytest.raises(TimeoutError):
            async with timeout:
                await asyncio.Event().wait()
        assert end <= loop.time()
        deadlines.forget(timeout)

    monkeypatch.setattr(loop, "call_at", noted)
    start = loop.time() + 0.1
    async with asyncio.timeout(10):
        await asyncio.gather(*(hang(start + number / 10_000) for number in range(1000)))
    assert rings < 100


async def test_unused_turn_is_for_who_waits_already() -> None:
    """Whoever waits when a turn is given back gets that one, and not the next one of the pace."""
    pace = Pace(0.01)
    await pace.take()
    waiting = asyncio.create_task(pace.take())
    await settle()
    pace.give_back()
    pace.give_back()
    async with asyncio.timeout(5):
        await waiting
    waiting = asyncio.create_task(pace.take())
    await settle()
    assert not waiting.done()
    waiting.cancel()
    await settle()


async def test_unused_turn_makes_no_burst_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that was given back long ago is not added to the one that is due: the vendor would see two at once."""
    now, loop = 1000.0, asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now)
    pace = Pace(1)
    await pace.take()
    pace.give_back()
    now += 60.0
    await pace.take()
    second = asyncio.create_task(pace.take())
    await settle()
    assert not second.done()
    second.cancel()
    await settle()


def test_timer_of_an_earlier_loop_that_still_runs() -> None:
    """A timer that rings in the loop of before ends nothing in the loop of now."""
    deadlines = Deadlines()

    async def watched(seconds: float) -> asyncio.Timeout:
        loop = asyncio.get_running_loop()
        return deadlines.watch(loop.time() + seconds, loop)

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(watched(0.01))
        later = second.run(watched(0.02))
        first.run(asyncio.sleep(0.05))
        assert [later] == [*deadlines._ends]
        deadlines.forget(later)
