"""How long to wait after a failure (rules 9 and 10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.engine.pauses import LONGEST_RETRY_AFTER, next_cooldown, pause_after, pause_for
from vendorauth.errors import AuthServiceUnavailable, RequestTimeout, ServerError, VendorAuthError

BACKOFF = (1.0, 60.0)
COOLDOWN = (300.0, 3600.0)
DRAWS = st.floats(0, 1, exclude_max=True)
ATTEMPTS = st.integers(1, 10**9)
PAIRS = st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize(
    ("expected", "attempt"), [(1.0, 1), (2.0, 2), (4.0, 3), (32.0, 6), (60.0, 7), (60.0, 8), (60.0, 10**6)]
)
def test_they_double(expected: float, attempt: int) -> None:
    """Without jitter they double, from the first to the largest (rule 9)."""
    assert expected == pause_after(attempt, BACKOFF, 0.0)


def test_jitter() -> None:
    """Chance takes off up to half, so that a fleet that failed together comes back spread out."""
    assert 0.75 == pause_after(1, BACKOFF, 0.5)
    assert 30.0 == pytest.approx(pause_after(100, BACKOFF, 0.9999999))


@given(ATTEMPTS, PAIRS, DRAWS)
def test_they_stay_within_bounds(attempt: int, backoff: tuple[float, float], draw: float) -> None:
    """No pause is below half the first or above the largest, after however many failures."""
    pause = pause_after(attempt, backoff, draw)
    assert backoff[0] / 2 <= pause <= backoff[1]


@given(ATTEMPTS, PAIRS, DRAWS)
def test_they_never_shrink(attempt: int, backoff: tuple[float, float], draw: float) -> None:
    """One more failure never makes the pause shorter."""
    assert pause_after(attempt, backoff, draw) <= pause_after(attempt + 1, backoff, draw)


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (1.0, RequestTimeout("no")),
        (1.0, AuthServiceUnavailable("no")),
        (1.0, AuthServiceUnavailable("no", retry_after=0.5)),
        (30.0, AuthServiceUnavailable("no", retry_after=30)),
        (60.0, AuthServiceUnavailable("no", retry_after=LONGEST_RETRY_AFTER + 1)),
        (60.0, AuthServiceUnavailable("no", retry_after=1e9)),
        (1.0, ServerError("no", 503, retry_after=30.0)),
    ],
)
def test_retry_after(expected: float, error: VendorAuthError) -> None:
    """What the token service asks for lengthens the pause, up to 60 s, and never shortens it (rule 9)."""
    assert expected == pause_for(error, 1, BACKOFF, 0.0)


@pytest.mark.parametrize(
    ("expected", "previous"),
    [(300.0, None), (600.0, 300.0), (1200.0, 600.0), (3600.0, 2400.0), (3600.0, 3600.0), (300.0, 0.0), (3600.0, 1e9)],
)
def test_cooldown(expected: float, previous: float | None) -> None:
    """A refused password waits 5 minutes, then twice as long each time, up to an hour (rule 10)."""
    assert expected == next_cooldown(previous, COOLDOWN)


@given(st.none() | st.floats(0, 1e9), PAIRS)
def test_cooldown_stays_within_bounds(previous: float | None, cooldown: tuple[float, float]) -> None:
    """Whatever a store remembers of the one before, the next lies between first and largest."""
    assert cooldown[0] <= next_cooldown(previous, cooldown) <= cooldown[1]
