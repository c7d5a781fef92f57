"""Rules 3, 4: a renewal that is ended from outside loses no answer that came in, wherever it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from _cancel import MOST, Interrupted
from _vendor import World
from vendorauth import FileTokenStore, Request, Response

ACCOUNT = "jane@vendor"


class Told:
    """Pass requests on to the vendor of *world*, with a turn of the loop before and behind, and count both."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sent = 0
        self.answered = 0

    async def send(self, request: Request) -> Response:
        """Answer as the vendor does, some turns later."""
        self.sent += 1
        await asyncio.sleep(0)
        response = await self._world.vendor.send(request)
        await asyncio.sleep(0)
        self.answered += 1
        return response


def interrupting(found: list[Interrupted], nth: int) -> Callable[..., asyncio.Task[Any]]:
    """Make a task factory that has the first renewal cancelled while it is suspended for the *nth* time."""

    def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        if getattr(work, "__qualname__", "") == "Renewal.renew" and not found:
            found.append(Interrupted(work, nth))

            async def run() -> Any:
                return await found[0]

            work = run()
        return asyncio.Task(work, loop=loop, **options)

    return make


async def ended_at(nth: int, folder: Path, *, first: bool) -> tuple[bool, Told, World]:
    """End a renewal, a login if it is the *first*, at its *nth* suspension; tell whether it has so many."""
    loop, found = asyncio.get_running_loop(), list[Interrupted]()
    world = World(store=FileTokenStore(folder, lock_timeout=2.0))
    world.vendor.rotates = True
    told = Told(world)
    source = world.source(send=told.send)
    if not first:
        await source.token()
        world.clock.advance(3601)
        told.sent = told.answered = 0
    loop.set_task_factory(interrupting(found, nth))
    try:
        await asyncio.gather(source.token(), return_exceptions=True)
    finally:
        loop.set_task_factory(None)
    return found[0].reached, told, world


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", [True, False], ids=["login", "refresh"])
async def test_an_answer_that_came_in_is_saved(tmp_path: Path, first: bool) -> None:
    """Rules 3, 4, 6: ended at any await: what was answered is stored, and serves a new process without an exchange."""
    answered = unanswered = 0
    for nth in range(1, MOST):
        reached, told, world = await ended_at(nth, tmp_path / str(nth), first=first)
        answered += told.answered
        unanswered += not told.answered
        spent_for_nothing = told.sent > told.answered and not first
        again = Told(world)
        async with asyncio.timeout(5):
            token = await world.source(send=again.send, store=FileTokenStore(tmp_path / str(nth))).token()
        assert (0 if told.answered else 1 + spent_for_nothing) >= again.sent, nth
        assert token == await world.store.load(ACCOUNT)
        if not spent_for_nothing:
            assert [] == world.vendor.spent, nth
        if not reached:
            break
    assert 2 <= answered
    assert 2 <= unanswered
