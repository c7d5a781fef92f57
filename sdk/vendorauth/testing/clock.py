"""Give tests a clock that moves only when they say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, final

_START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


@final
class ManualClock:
    """
    Be a wall clock and a monotonic clock that stand still until a test moves them.

    It fits wherever this package takes a ``clock``; the fakes take its `timestamp`. *start* is an aware datetime. It
    does no I/O and wakes nobody: who sleeps on the event loop goes on sleeping.

    Raises:
        ValueError: *start* is naive.
    """

    def __init__(self, start: datetime = _START) -> None:
        if start.utcoffset() is None:
            message = "start must be an aware datetime"
            raise ValueError(message)
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Tell the wall clock's time, aware."""
        return self._now

    def monotonic(self) -> float:
        """Tell the monotonic clock's time in seconds; its zero means nothing."""
        return self._monotonic

    def timestamp(self) -> float:
        """Tell the wall clock's time in seconds since the epoch, as ``time.time`` does."""
        return self._now.timestamp()

    def advance(self, seconds: float) -> None:
        """
        Let *seconds* pass on both clocks.

        Raises:
            ValueError: *seconds* is negative.
        """
        self.suspend(seconds)
        self._monotonic += seconds

    def suspend(self, seconds: float) -> None:
        """
        Let a laptop sleep for *seconds*: the wall clock goes on, the monotonic clock stands still.

        Raises:
            ValueError: *seconds* is negative.
        """
        if seconds < 0:
            message = "time passes in one direction; step() sets the wall clock back"
            raise ValueError(message)
        self.step(seconds)

    def step(self, seconds: float) -> None:
        """Correct the wall clock by *seconds*, as NTP does; they may be negative."""
        self._now += timedelta(seconds=seconds)

    def __repr__(self) -> str:
        return f"ManualClock({self._now.isoformat()})"
