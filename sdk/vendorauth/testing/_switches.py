"""Let a test hold, spoil and lose what a fake server answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar, final

import attrs

from vendorauth.testing._records import Answer, Kind
from vendorauth.testing._threads import Mark
from vendorauth.tokens import JSON

PATIENCE: Final = 10.0
"""Seconds after which a test that waits for requests is told that they never came."""


@final
class Hold:
    """
    Keep requests waiting at the server until the test lets them go; a test needs no sleeps then.

    As a context manager it lets them go at the end of the block. Any thread may use it.
    """

    def __init__(self, *, limit: int | None = None, processed: bool = False) -> None:
        self.count: int = 0
        """How many requests have arrived here."""
        self.processed: bool = processed
        self._limit = limit
        self._released = Mark()
        self._arrivals: dict[int, Mark] = {}

    async def arrived(self, n: int = 1) -> None:
        """
        Wait until *n* requests have arrived here, all in all. Cancel safe.

        Raises:
            TimeoutError: They did not within 10 seconds.
        """
        mark = self._arrivals.setdefault(n, Mark())
        if self.count < n:
            async with asyncio.timeout(PATIENCE):
                await mark.reached()

    def release(self) -> None:
        """Let go those that wait, and those still to come."""
        self._released.reach()

    def take(self) -> bool:
        """Count one more request in, unless this hold is over or full; tell which."""
        if self._released.is_reached or self.count == self._limit:
            return False
        self.count += 1
        self._arrivals.setdefault(self.count, Mark()).reach()
        return True

    async def over(self) -> None:
        """Wait for the release."""
        await self._released.reached()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


@attrs.define(kw_only=True)
class Fault:
    """Spoil the next *left* requests of the kind *on* (``None``: any): answer with *answer*, or with nothing."""

    on: Kind | None
    left: int
    answer: Answer | None = None
    processed: bool = True

    def take(self, kind: Kind) -> bool:
        """Use it up by one, if it is for *kind*; tell whether it is."""
        if not self.left or self.on not in {kind, None}:
            return False
        self.left -= 1
        return True


@attrs.define(kw_only=True)
class Amendment:
    """Change the JSON of the next *left* successful answers (``None``: of all) to requests of the kind *on*."""

    on: Kind
    change: Callable[[JSON], JSON]
    left: int | None = None

    def take(self, kind: Kind) -> bool:
        """Use it up by one, if it is for *kind*; tell whether it is."""
        if self.on != kind or self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True


TakeT = TypeVar("TakeT", Fault, Amendment)


def first_taken(switches: list[TakeT], kind: Kind) -> TakeT | None:
    """Take the first of *switches* that is for *kind*."""
    return next((switch for switch in switches if switch.take(kind)), None)
