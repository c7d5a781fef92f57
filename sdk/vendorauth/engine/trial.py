"""Let few requests at a time carry credentials that nobody has seen to work: a wrong password is sent once (rule 10)."""

from __future__ import annotations

import asyncio
from typing import Final, final

PATIENCE: Final = 5.0
"""Seconds after which a request that has no answer yet stops keeping others from trying."""


@final
class Trial:
    """
    Be the time in which a token that consists of the credentials themselves has not been accepted yet.

    One request goes out, the others wait for what becomes of it, in the order in which they came. One that ends without
    a verdict (a timeout, a cancelled caller), or has none within `PATIENCE`, makes way for the next. One that never
    left, or was answered, but neither accepted nor refused (a 5xx), makes room for one more as well, so that an API in
    trouble is not asked by one caller at a time for ever. *over*: there is a verdict.
    """

    def __init__(self) -> None:
        self.over: bool = False
        self._room = asyncio.Semaphore()

    async def turn(self) -> Turn:
        """Wait for a turn; cancelling it takes none. Whoever got one ends it."""
        await self._room.acquire()
        return Turn(self)

    def make_room(self, *, harmless: bool) -> None:
        """Let the next one go, and one more where the last one was *harmless*."""
        self._room.release()
        # After a verdict one wakes the next, which is cheaper: a semaphore looks through all that it has woken.
        if harmless and not self.over:
            self._room.release()


@final
class Turn:
    """Be one request's turn in *trial*; it ends by itself after `PATIENCE`."""

    def __init__(self, trial: Trial) -> None:
        self._trial: Trial | None = trial
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.end)

    def end(self, *, harmless: bool = False) -> None:
        """
        Let others go, unless it has ended before.

        *harmless*: the credentials did not leave, or came where nobody looks at them now.
        """
        trial, self._trial = self._trial, None
        self._timer.cancel()
        if trial is not None:
            trial.make_room(harmless=harmless)
