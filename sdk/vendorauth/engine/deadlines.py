"""End calls in time, all of a client's with one timer: one for each would cost a twentieth of a small request."""

from __future__ import annotations

import asyncio
from contextvars import Context
from math import inf
from typing import Final, final

_GRAIN: Final = 0.01
"""Seconds between two rings: else thousands of calls that hang would be gone through for each of them."""


@final
class Deadlines:
    """
    Watch the timeouts of the calls under way in one event loop at a time.

    The timer rings at the earliest end (a hundredth of a second later where it has just rung), or before it where the
    call that had this end is over; what cancels a task, and tells that from another's cancelling, is `asyncio.Timeout`.
    """

    def __init__(self) -> None:
        self._ends: Final[dict[asyncio.Timeout, float]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = inf
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, end: float, loop: asyncio.AbstractEventLoop) -> asyncio.Timeout:
        """Give a timeout to enter at once, which ends at *end*, in the time of *loop*; `forget` it afterwards."""
        timeout = asyncio.Timeout(None)
        if loop is not self._loop:
            self._ends.clear()
            self._loop, self._next, self._timer = loop, inf, None
        self._ends[timeout] = end
        if end < self._next:
            self._ring_at(end, loop)
        return timeout

    def forget(self, timeout: asyncio.Timeout) -> None:
        """Watch *timeout* no more."""
        self._ends.pop(timeout, None)

    def _ring_at(self, end: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = end
        # The context is empty: the timer is everybody's, and would keep what belongs to one request.
        self._timer = Context().run(loop.call_at, end, self._ring, end, loop)

    def _ring(self, end: float, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:  # a later one
            return
        now = max(end, loop.time())
        for timeout in [one for one, its in self._ends.items() if its <= now]:
            del self._ends[timeout]
            timeout.reschedule(end)
        self._next, self._timer = inf, None
        if (following := min(self._ends.values(), default=inf)) < inf:
            self._ring_at(max(following, now + _GRAIN), loop)
