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

    One request goes out, the others wait for what becomes of it, in the order in which they came. One that comes back
    neither accepted nor refused (a 5xx, a timeout, a cancelled caller), or not within `PATIENCE`, makes room for one
    more, so that an API in trouble is not asked by one caller at a time for ever. *over*: there is a verdict.
    """

    def __init__(self) -> None:
        self.over: bool = False
        self._room = asyncio.Semaphore()

    async def turn(self) -> Turn:
        """Wait for a turn; cancelling it takes none. Whoever got one ends it."""
        await self._room.acquire()
        return Turn(self)

    def make_room(self) -> None:
        """Let the next ones go: all of them, one after the other, once there is a verdict."""
        self._room.release()
        # After a verdict one wakes the next, which is cheaper: a semaphore looks through all that it has woken.
        if not self.over:
            self._room.release()


@final
class Turn:
    """Be one request's turn in *trial*; it ends by itself after `PATIENCE`."""

    def __init__(self, trial: Trial) -> None:
        self._trial: Trial | None = trial
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.end)

    def end(self) -> None:
        """Let others go; harmless when it has ended."""
        trial, self._trial = self._trial, None
        self._timer.cancel()
        if trial is not None:
            trial.make_room()
