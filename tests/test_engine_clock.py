"""The clocks."""

from datetime import UTC, datetime, timedelta

from vendorauth.engine.clock import SystemClock, moment
from vendorauth.engine.freshness import Moment
from vendorauth.testing import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_system_clock() -> None:
    """The machine's wall clock is aware and in UTC, its monotonic one does not go back."""
    clock = SystemClock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert timedelta(0) == clock.now().utcoffset()
    assert clock.monotonic() <= clock.monotonic()


def test_moment() -> None:
    """A moment has both clocks' seconds; a suspend moves one of them."""
    clock = ManualClock(START)
    first = moment(clock)
    assert START.timestamp() == first.wall
    clock.advance(5.0)
    clock.suspend(10.0)
    assert Moment(first.wall + 15.0, first.monotonic + 5.0) == moment(clock)
