"""One timer for the timeouts of many calls."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from vendorauth.engine.deadlines import Deadlines


async def _held(deadlines: Deadlines, seconds: float, gate: asyncio.Event) -> str:
    loop = asyncio.get_running_loop()
    timeout = deadlines.watch(loop.time() + seconds, loop)
    try:
        async with timeout:
            await gate.wait()
            return "done"
    except TimeoutError:
        return "over"
    finally:
        deadlines.forget(timeout)


async def test_each_ends_at_its_own_time() -> None:
    """What is over ends, whatever the order in which it began; what is not goes on; one without an end never does."""
    deadlines, gate = Deadlines(), asyncio.Event()
    tasks = [asyncio.create_task(_held(deadlines, seconds, gate)) for seconds in (60.0, 0.03, inf, 0.01, 0.02)]
    async with asyncio.timeout(10):
        await asyncio.wait({tasks[1], tasks[3], tasks[4]})
    gate.set()
    assert ["done", "over", "done", "over", "over"] == await asyncio.gather(*tasks)


async def test_what_is_over_already_ends_at_the_first_wait() -> None:
    """An end in the past is one."""
    async with asyncio.timeout(10):
        assert await _held(Deadlines(), -1.0, asyncio.Event()) == "over"


async def test_one_timer_for_all() -> None:
    """A thousand calls with ends in the order in which they come leave one timer behind, which then sees nobody."""
    deadlines, gate, loop = Deadlines(), asyncio.Event(), asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def counted(when: float, *rest: object) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *rest)  # type: ignore[arg-type]  # whatever it is

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_at", counted)
        gate.set()
        for _ in range(1000):
            assert await _held(deadlines, 0.02, gate) == "done"
    assert len(made) <= 1 + (made[-1] - made[0]) / 0.02 + 1


async def test_cancelling_is_no_timeout() -> None:
    """A caller that is cancelled is cancelled, and the others go on."""
    deadlines, gate = Deadlines(), asyncio.Event()
    first, second = (asyncio.create_task(_held(deadlines, 60.0, gate)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert await second == "done"


def test_in_a_later_loop() -> None:
    """The timer of a loop that is over counts no more, nor what was left in it."""
    deadlines = Deadlines()

    async def left_behind() -> None:
        loop = asyncio.get_running_loop()
        deadlines.watch(loop.time() + 0.02, loop)

    asyncio.run(left_behind())
    assert asyncio.run(asyncio.wait_for(_held(deadlines, 0.05, asyncio.Event()), 10)) == "over"
