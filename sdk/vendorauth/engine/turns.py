"""Let logins and renewals begin at an even pace, where many accounts share a vendor's quota."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import final

from aiolimiter import AsyncLimiter

from vendorauth.errors import AuthServiceUnavailable


@final
class Pace:
    """
    Give *per_second* turns in a second, in the order in which they are asked for.

    There is no burst, because a vendor that counts by the second would refuse the rest of it.
    """

    __slots__ = ("_closed", "_limiter", "_patience", "_queue", "_spare")

    def __init__(self, per_second: float) -> None:
        self._limiter = AsyncLimiter(1, 1 / per_second)
        self._queue = asyncio.Lock()
        self._patience: asyncio.Timeout | None = None
        self._spare = False
        self._closed = False

    async def take(self) -> None:
        """
        Wait for a turn; cancelling it takes none.

        Raises:
            AuthServiceUnavailable: No more are given.
        """
        async with self._queue:
            # A spare turn from before a rest would make two at once of the one that is due.
            if not self._closed and (not self._spare or self._limiter.has_capacity()):
                await self._wait()
            self._spare = False
        if self._closed:
            message = "the pool of this client is closing"
            raise AuthServiceUnavailable(message)

    async def _wait(self) -> None:
        try:
            with suppress(TimeoutError):  # closed meanwhile, or given a spare turn
                async with asyncio.timeout(None) as self._patience:
                    await self._limiter.acquire()
        finally:
            self._patience = None

    def give_back(self) -> None:
        """Let the next one have a turn that was not used."""
        self._spare = True
        self._end_wait()

    def close(self) -> None:
        """Give no more turns, and let nobody wait for one."""
        self._closed = True
        self._end_wait()

    def _end_wait(self) -> None:
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(0.0)
