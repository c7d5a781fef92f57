"""Read times from HTTP headers; what is no time is ``None``, never an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_DELIMITERS: Final = re.compile(r"[\t -/;-@\[-`{-~]+")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?", re.DOTALL)
_DAY: Final = re.compile(r"([0-9]{1,2})(?:[^0-9].*)?", re.DOTALL)
_MONTH: Final = re.compile(r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec).*", re.DOTALL | re.IGNORECASE | re.ASCII)
_YEAR: Final = re.compile(r"([0-9]{2,4})(?:[^0-9].*)?", re.DOTALL)
_PARTS: Final = {"time": _TIME, "day": _DAY, "month": _MONTH, "year": _YEAR}

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EARLIEST_YEAR: Final = 1601
_CENTURY: Final = 100
_PIVOT: Final = 70

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_MOST_SECONDS: Final = 999_999_999.0


def read_date(text: str) -> datetime | None:
    """
    Read a date as cookies have it: RFC 1123, RFC 850, with dashes, asctime; two-digit years count as 1970 to 2069.

    This is the algorithm of RFC 6265, section 5.1.1. The answer is in UTC.
    """
    found: dict[str, re.Match[str]] = {}
    for word in _DELIMITERS.split(text):
        for part, pattern in _PARTS.items():
            match = None if part in found else pattern.fullmatch(word)
            if match:
                found[part] = match
                break
    return _moment(found) if len(found) == len(_PARTS) else None


def _moment(found: Mapping[str, re.Match[str]]) -> datetime | None:
    year, day = int(found["year"][1]), int(found["day"][1])
    if year < _CENTURY:
        year += 1900 if year >= _PIVOT else 2000
    if year < _EARLIEST_YEAR:
        return None
    hour, minute, second = (int(one) for one in found["time"].groups())
    try:
        return datetime(year, _MONTHS.index(found["month"][1].lower()) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """
    Read ``Retry-After`` as seconds: a number of them, or a date (0 for one in the past).

    A date counts from the answer's own ``Date``, because the server's clock may differ from ours, else from *now*.

    Source: RFC 9110, section 10.2.3. At most 999,999,999; ``None`` where there is none, or it is something else.
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    date = read_date(text)
    sent = read_date(headers.get("Date", "")) or now
    return None if date is None else min(max((date - sent).total_seconds(), 0.0), _MOST_SECONDS)
