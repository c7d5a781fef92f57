"""Read the time: the wall clock and the monotonic one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol, final

from vendorauth.engine.freshness import Moment


class Clock(Protocol):
    """Tell the time; a test may hand in its own."""

    def now(self) -> datetime:
        """Give the wall clock's time, aware."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        ...


@final
class SystemClock:
    """Be this machine's clock."""

    def now(self) -> datetime:
        """Give the wall clock's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give the system's monotonic seconds."""
        return time.monotonic()


def moment(clock: Clock) -> Moment:
    """Read both clocks."""
    return Moment(clock.now().timestamp(), clock.monotonic())
