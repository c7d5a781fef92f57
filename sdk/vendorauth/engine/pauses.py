"""Work out, without a clock, how long to wait after a failure."""

from __future__ import annotations

from typing import Final

from vendorauth.errors import AuthServiceUnavailable, VendorAuthError

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds of a vendor's ``Retry-After`` that are obeyed at most."""

_MOST_DOUBLINGS: Final = 30


def pause_after(attempt: int, backoff: tuple[float, float], draw: float) -> float:
    """
    Give the seconds to wait after the *attempt*-th failure in a row (from 1).

    They double from *backoff*'s first to its largest; *draw* in [0, 1) takes off up to half, so that a fleet that
    failed together does not come back together.
    """
    first, largest = backoff
    whole = min(largest, first * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))
    return whole * (1 - draw / 2)


def pause_for(error: VendorAuthError, attempt: int, backoff: tuple[float, float], draw: float) -> float:
    """Give `pause_after`, lengthened by what the vendor asked for."""
    asked = error.retry_after if isinstance(error, AuthServiceUnavailable) else None
    return max(pause_after(attempt, backoff, draw), min(asked or 0.0, LONGEST_RETRY_AFTER))


def next_cooldown(previous: float | None, cooldown: tuple[float, float]) -> float:
    """Give the seconds before a refused password is sent again: the first time, then twice *previous*."""
    first, largest = cooldown
    return first if previous is None else min(largest, max(first, previous * 2))
