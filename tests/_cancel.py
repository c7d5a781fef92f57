"""Cancel work at its first, second, ... nth suspension, until there is none left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeAlias

from vendorauth import ProGloveClient, ProtogridClient
from vendorauth.testing._switches import Hold

Interrupt: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]

MOST = 500
"""More suspensions than any scenario has."""


class Interrupted:
    """
    Run a coroutine, and cancel its task while it is suspended for the *nth* time.

    *reached* tells whether there was such a suspension.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], nth: int) -> None:
        self._work = work
        self._left = nth
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._work.__await__()
        try:
            waited_for = next(inner)
            while True:
                self._left -= 1
                if self._left == 0:
                    self.reached = True
                    task = asyncio.current_task()
                    assert task is not None
                    asyncio.get_running_loop().call_soon(task.cancel)
                try:
                    yield waited_for
                except BaseException as error:  # noqa: BLE001  passed on, whatever it is
                    waited_for = inner.throw(error)
                else:
                    waited_for = next(inner)
        except StopIteration as done:
            return done.value


async def _run(interrupted: Interrupted) -> Any:
    return await interrupted


async def at_each_suspension(
    scenario: Callable[[Interrupt], Awaitable[None]],
) -> int:
    """
    Run *scenario* again and again, each time with a function that cancels what it is given one suspension later.

    Gives how many suspensions there were.
    """
    for nth in range(1, MOST):
        seen: list[Interrupted] = []

        async def interrupt(work: Coroutine[Any, Any, Any], nth: int = nth, seen: list[Interrupted] = seen) -> Any:
            seen.append(Interrupted(work, nth))
            task = asyncio.get_running_loop().create_task(_run(seen[-1]))
            await asyncio.wait({task})
            return None if task.cancelled() else task.result()

        await scenario(interrupt)
        if not any(one.reached for one in seen):
            return nth - 1
    message = f"more than {MOST} suspensions: something does not end"
    raise AssertionError(message)


async def end_while_held(
    client: ProGloveClient | ProtogridClient, ending: str, path: str, held: Hold, interrupt: Interrupt
) -> None:
    """Interrupt *client*'s *ending* while a renewal is *held* at the vendor; afterwards end it again, and reopen it."""
    with held as hold:
        call = asyncio.ensure_future(client.get(path))
        await hold.arrived()
        asyncio.get_running_loop().call_later(0.01, hold.release)
        await interrupt(getattr(client, ending)())
        await asyncio.wait({call})
    call.exception()
    await getattr(client, ending)()
    await client.__aenter__()
