"""Prove the clock that moves only when a test says so."""

from datetime import datetime, timedelta, timezone

import pytest

from vendorauth.testing import ManualClock

NOON = datetime(2026, 5, 4, 12, tzinfo=timezone(timedelta(hours=2)))


def test_stands_still() -> None:
    """Neither clock moves by itself; the wall clock is aware."""
    clock = ManualClock()
    assert clock.now() == clock.now()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() == clock.monotonic()


def test_advance_moves_both() -> None:
    """Time that passes is seen by both clocks."""
    clock = ManualClock(NOON)
    before = clock.monotonic()
    clock.advance(90.5)
    assert NOON + timedelta(seconds=90.5) == clock.now()
    assert before + 90.5 == clock.monotonic()
    assert NOON.timestamp() + 90.5 == clock.timestamp()


def test_suspend_moves_the_wall_clock_only() -> None:
    """A laptop that sleeps finds its monotonic clock where it was."""
    clock = ManualClock(NOON)
    before = clock.monotonic()
    clock.suspend(3600)
    assert NOON + timedelta(hours=1) == clock.now()
    assert before == clock.monotonic()


def test_step_may_go_back() -> None:
    """NTP sets the wall clock back, and the monotonic clock never."""
    clock = ManualClock(NOON)
    before = clock.monotonic()
    clock.step(-60)
    assert NOON - timedelta(minutes=1) == clock.now()
    assert before == clock.monotonic()


def test_time_has_one_direction() -> None:
    """A negative duration is a mistake in the test, and moves nothing."""
    clock = ManualClock(NOON)
    before = clock.monotonic()
    for move in (clock.advance, clock.suspend):
        with pytest.raises(ValueError, match="one direction"):
            move(-1)
    assert (NOON, before) == (clock.now(), clock.monotonic())


def test_start_is_aware() -> None:
    """A naive start is refused."""
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001  the mistake to catch


def test_repr_tells_the_time() -> None:
    """A failing test shows what time it was."""
    assert "ManualClock(2026-05-04T12:00:00+02:00)" == repr(ManualClock(NOON))
