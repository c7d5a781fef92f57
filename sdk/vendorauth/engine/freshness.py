"""Decide, without a clock, when a token is fresh, ageing, stale, dead."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Final, NamedTuple

import attrs

from vendorauth.engine.policy import RefreshPolicy
from vendorauth.tokens import Token

_LEEWAY_SHARE: Final = 1 / 20
"""The part of a token's life that the leeway may take at most."""


class Moment(NamedTuple):
    """A point in time on both clocks, in seconds: since the epoch, and monotonic."""

    wall: float
    monotonic: float

    def passed(self, now: Moment) -> bool:
        """
        Tell whether it is over by either clock.

        The wall clock misses nothing while a machine sleeps; the monotonic one is not fooled when the other is set
        back.
        """
        return now.wall >= self.wall or now.monotonic >= self.monotonic

    def before(self, seconds: float) -> Moment:
        """Go back *seconds* on both clocks."""
        return Moment(self.wall - seconds, self.monotonic - seconds)

    def after(self, seconds: float) -> Moment:
        """Go on *seconds* on both clocks."""
        return self.before(-seconds)

    def left(self, now: Moment) -> float:
        """Give the seconds from *now* until it is over by either clock; 0 when it is."""
        return max(0.0, min(self.wall - now.wall, self.monotonic - now.monotonic))

    def or_earlier(self, other: Moment) -> Moment:
        """Give what is over as soon as this or *other* is."""
        return Moment(min(self.wall, other.wall), min(self.monotonic, other.monotonic))

    def when(self, time: datetime | None) -> Moment:
        """Give the moment at which the wall clock will show *time*, as seen at this one; `NEVER` for ``None``."""
        return NEVER if time is None else self.after(time.timestamp() - self.wall)


NEVER: Final = Moment(inf, inf)
ALWAYS: Final = Moment(-inf, -inf)


@attrs.frozen
class Life:
    """
    Name the stations of a token's life.

    From *ahead* on a background renewal is due, from *stale* on callers wait for one, at *end* the token is dead.
    """

    ahead: Moment
    stale: Moment
    end: Moment


ENDLESS: Final = Life(NEVER, NEVER, NEVER)
OVER: Final = Life(ALWAYS, ALWAYS, ALWAYS)


def life_of(token: Token, policy: RefreshPolicy, now: Moment, draw: float = 0.0) -> Life:
    """
    Work out *token*'s life as seen at *now*; *draw* in [0, 1) spreads the start of background renewals.

    A token is never believed to live longer than the vendor said, whatever the wall clock says: rule 11.
    """
    if token.expires_at is None:
        return ENDLESS
    span = max(0.0, (token.expires_at - token.issued_at).total_seconds())
    expires_at = token.expires_at.timestamp()
    end = Moment(expires_at, now.monotonic + min(expires_at - now.wall, span))
    leeway = min(policy.leeway, span * _LEEWAY_SHARE)
    window = policy.ahead * span
    return Life(
        ahead=end.before(max(leeway, window * (1 - draw * policy.jitter))),
        stale=end.before(leeway),
        end=end,
    )
