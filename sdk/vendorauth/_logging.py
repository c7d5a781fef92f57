"""Make log records that a person on call understands: the fields that they carry, and how they name a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final

_LATEST: Final = datetime.max.replace(tzinfo=UTC).timestamp()
"""A float rounds it up to the year 10000, which no `datetime` has."""


def fields(account: str, **values: object) -> dict[str, object]:
    """Give *account* and *values* names that no other library's fields have, for ``extra``."""
    return {"vendorauth_account": account, **{f"vendorauth_{name}": value for name, value in values.items()}}


def time_of(wall: float) -> datetime | None:
    """Give the time that is *wall* seconds after the epoch; ``None`` for one that never comes, or that has no name."""
    return datetime.fromtimestamp(wall, UTC) if isfinite(wall) and wall < _LATEST else None


def clock_time(time: datetime, now: float) -> str:
    """Write *time* as a clock shows it, with its date where it is not within a day of *now*."""
    near = abs(time - datetime.fromtimestamp(now, UTC)) < timedelta(days=1)
    return f"{time:{'%H:%M' if near else '%Y-%m-%d %H:%M'}} UTC"
