"""When a token is fresh, ageing, stale, dead: by both clocks (rules 7 and 11)."""

from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.engine.freshness import ALWAYS, ENDLESS, NEVER, OVER, Life, Moment, life_of
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.tokens import Token

START = datetime(2026, 1, 1, tzinfo=UTC)
WALL = START.timestamp()
NOW = Moment(WALL, 1000.0)
POLICY = RefreshPolicy()

LIVES = st.floats(0, 1e7)
OFFSETS = st.floats(-1e7, 1e7)
DRAWS = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(RefreshPolicy, leeway=st.floats(0, 1e6), ahead=st.floats(0, 1), jitter=st.floats(0, 1))


def token(life: float | None, *, issued: float = 0.0) -> Token:
    """Be a token issued *issued* seconds after the start, that lives *life* seconds."""
    at = START + timedelta(seconds=issued)
    return Token(value="x", issued_at=at, expires_at=None if life is None else at + timedelta(seconds=life))


def later(seconds: float, *, wall: float | None = None) -> Moment:
    """Be *seconds* after now on the monotonic clock, and *wall* (by default as many) on the other."""
    return Moment(NOW.wall + (seconds if wall is None else wall), NOW.monotonic + seconds)


def stations(life: Life) -> tuple[float, float, float]:
    """Give ahead, stale and end in seconds from now."""
    return (life.ahead.wall - WALL, life.stale.wall - WALL, life.end.wall - WALL)


@pytest.mark.parametrize(
    ("expected", "now"),
    [
        (False, Moment(9.9, 19.9)),
        (True, Moment(10.0, 0.0)),
        (True, Moment(0.0, 20.0)),
        (True, Moment(10.1, 20.1)),
    ],
)
def test_passed_by_either_clock(expected: bool, now: Moment) -> None:
    """A moment is over when either clock says so: one misses suspends, the other is set back (rule 11)."""
    assert expected is Moment(10.0, 20.0).passed(now)


def test_before() -> None:
    """Going back goes back on both clocks."""
    assert Moment(7.0, 17.0) == Moment(10.0, 20.0).before(3.0)


def test_never_and_always() -> None:
    """The two ends of time stay where they are."""
    assert not NEVER.passed(Moment(1e300, 1e300))
    assert ALWAYS.passed(Moment(-1e300, -1e300))
    assert (NEVER, ALWAYS) == (NEVER.before(5.0), ALWAYS.before(5.0))
    assert all(one.passed(NOW) for one in (OVER.ahead, OVER.stale, OVER.end))


def test_an_hour() -> None:
    """Of an hour, the leeway is the last minute and the window the last fifth, entered within its first half (rule 7)."""
    assert (2880.0, 3540.0, 3600.0) == stations(life_of(token(3600), POLICY, NOW, 0.0))
    assert (3060.0, 3540.0, 3600.0) == stations(life_of(token(3600), POLICY, NOW, 0.5))
    assert 3240.0 == pytest.approx(stations(life_of(token(3600), POLICY, NOW, 0.999999))[0], abs=0.01)


def test_three_seconds() -> None:
    """A token of 3 seconds serves nearly all of them: the leeway takes a twentieth of its life at most."""
    ahead, stale, end = stations(life_of(token(3), POLICY, NOW))
    assert (2.4, 2.85, 3.0) == pytest.approx((ahead, stale, end))
    assert not life_of(token(3), POLICY, NOW).ahead.passed(later(2.3))


def test_no_end() -> None:
    """A token without an end is fresh for ever; only a refusal ends it."""
    assert ENDLESS == life_of(token(None), POLICY, NOW)
    assert not ENDLESS.ahead.passed(Moment(1e12, 1e12))


@pytest.mark.parametrize("life", [0, -5])
def test_born_dead(life: float) -> None:
    """A token that has ended when it is issued is dead from the start."""
    assert life_of(token(life), POLICY, NOW).end.passed(NOW)


def test_the_clock_was_set_back() -> None:
    """With the wall clock an hour behind, a token of an hour still lives an hour and not two (rule 11)."""
    behind = Moment(WALL - 3600, 1000.0)
    life = life_of(token(3600), POLICY, behind)
    assert not life.end.passed(Moment(WALL - 1, 4599.0))
    assert life.end.passed(Moment(WALL, 4600.0))


def test_the_machine_slept() -> None:
    """A suspend stops the monotonic clock; the wall clock ends the token all the same (pitfall 40)."""
    life = life_of(token(3600), POLICY, NOW)
    assert life.end.passed(later(5, wall=3600))


def test_the_clock_jumps_back_afterwards() -> None:
    """The wall clock is set back a day after the token came: the monotonic clock ends it all the same."""
    life = life_of(token(3600), POLICY, NOW)
    assert life.end.passed(later(3600, wall=-86400))


@given(LIVES, OFFSETS, OFFSETS, st.floats(0, 1e7), OFFSETS, DRAWS, POLICIES)
def test_never_handed_out_after_its_end(
    life: float, issued: float, seen: float, elapsed: float, jump: float, draw: float, policy: RefreshPolicy
) -> None:
    """Whatever the clocks did, a token is over at its end by the wall clock, or held as long as it lives (rule 11)."""
    one = token(life, issued=issued)
    assert one.expires_at is not None
    now = Moment(WALL + seen, 50.0)
    end = life_of(one, policy, now, draw).end
    then = Moment(now.wall + jump, now.monotonic + elapsed)
    span = (one.expires_at - one.issued_at).total_seconds()
    if then.wall >= one.expires_at.timestamp() or elapsed > span + 1e-6:
        assert end.passed(then)


@given(LIVES, OFFSETS, OFFSETS, DRAWS, POLICIES)
def test_never_believed_to_live_longer(
    life: float, issued: float, seen: float, draw: float, policy: RefreshPolicy
) -> None:
    """Seen at any time, a token has no more life left than lies between its two times."""
    one = token(life, issued=issued)
    assert one.expires_at is not None
    now = Moment(WALL + seen, 50.0)
    left = life_of(one, policy, now, draw).end.monotonic - now.monotonic
    assert left <= (one.expires_at - one.issued_at).total_seconds() + 1e-6


@given(LIVES, OFFSETS, DRAWS, POLICIES)
def test_the_order_of_its_stations(life: float, seen: float, draw: float, policy: RefreshPolicy) -> None:
    """A token ages, then is stale, then dead, on both clocks, whatever policy, draw and moment."""
    stages = life_of(token(life), policy, Moment(WALL + seen, 50.0), draw)
    for clock in ("wall", "monotonic"):
        ahead, stale, end = (getattr(one, clock) for one in (stages.ahead, stages.stale, stages.end))
        assert -inf < ahead <= stale <= end < inf


@given(LIVES, DRAWS, POLICIES)
def test_leeway_and_window_are_shares(life: float, draw: float, policy: RefreshPolicy) -> None:
    """The leeway takes at most a twentieth, and the window no more than its fraction or the leeway."""
    ahead, stale, end = stations(life_of(token(life), policy, NOW, draw))
    assert end - stale <= life / 20 + 1e-5
    assert end - stale <= policy.leeway + 1e-5
    assert end - ahead <= max(policy.ahead * life, end - stale) + 1e-5
    assert end - ahead >= policy.ahead * (1 - policy.jitter) * life - 1e-5
