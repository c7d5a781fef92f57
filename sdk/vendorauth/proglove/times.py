"""Read times as ProGlove sends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

RawTime: TypeAlias = int
"""A time as the vendor sends it: since 1970, in seconds or milliseconds (its documents and its feed disagree)."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST_MILLISECONDS: Final = 10**11


def moment(raw: RawTime | None) -> datetime | None:
    """Take *raw* for seconds below 10^11 (the year 5138), else for milliseconds; ``None`` where no calendar has it."""
    if raw is None:
        return None
    try:
        return EPOCH + (timedelta(seconds=raw) if raw < _FIRST_MILLISECONDS else timedelta(milliseconds=raw))
    except OverflowError:
        return None


def milliseconds(time: datetime) -> int:
    """Give *time* (aware) as the API takes it in a query: whole milliseconds since 1970."""
    return (time - EPOCH) // MILLISECOND
