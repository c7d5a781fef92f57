"""
Read Protogrid's session cookie from an answer's ``Set-Cookie`` headers.

The standard library's cookie parser drops what it finds odd, takes quotes off values and gives up on the whole header
when one attribute is unusual; a session is opaque and has to go back as it came. So this follows RFC 6265, section 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import attrs

from vendorauth._dates import read_date

SESSION: Final = "session"
"""What the cookie is called. Source: Protogrid wiki, JSON API Authentication, Python sample."""

_BLANKS: Final = " \t"
_SENDABLE: Final = re.compile(r"[ -:<-~]+")
_INTEGER: Final = re.compile(r"-?[0-9]+")
_LONGEST: Final = timedelta(days=400)
_NO_TIME: Final = timedelta(0)


@attrs.frozen(kw_only=True)
class SessionCookie:
    """Be a cookie that lives: its *value* as it came, and how long it lasts, ``None`` where it does not say."""

    value: str = attrs.field(repr=False)
    lifetime: timedelta | None = None


def session_cookie(set_cookies: Iterable[str], *, answered_at: datetime) -> SessionCookie | None:
    """
    Find the session among an answer's *set_cookies*, one text for each header; ``None`` where there is none.

    *answered_at* is when the answer was made, by the server's clock if that is known: ``Expires`` counts from there.
    ``Max-Age`` wins over it. At most 400 days are believed (RFC 6265bis, section 5.5). A cookie that is empty or over
    deletes one of the same domain and path that stands before it. A value that could not be sent back (control
    characters, anything but ASCII) is passed over.
    """
    living: dict[tuple[str, str], SessionCookie] = {}
    for text in set_cookies:
        pair, *attributes = text.split(";")
        name, equals, value = (one.strip(_BLANKS) for one in pair.partition("="))
        if not equals or name != SESSION or (value and not _SENDABLE.fullmatch(value)):
            continue
        scope, lifetime = _read_attributes(attributes, answered_at)
        living.pop(scope, None)
        if value and (lifetime is None or lifetime > _NO_TIME):
            living[scope] = SessionCookie(value=value, lifetime=lifetime)
    return next(reversed(living.values()), None)


def _read_attributes(attributes: Iterable[str], answered_at: datetime) -> tuple[tuple[str, str], timedelta | None]:
    """Read the scope (domain and path) and the lifetime; the last attribute of a name counts, unreadable ones don't."""
    domain = path = ""
    max_age: timedelta | None = None
    until_expires: timedelta | None = None
    for attribute in attributes:
        name, _, value = (one.strip(_BLANKS) for one in attribute.partition("="))
        match name.lower():
            case "domain":
                domain = value.lower().removeprefix(".")
            case "path":
                path = value
            case "max-age" if _INTEGER.fullmatch(value):
                # Through float, because int() refuses thousands of digits and float() does not.
                max_age = timedelta(seconds=min(max(float(value), 0.0), _LONGEST.total_seconds()))
            case "expires" if date := read_date(value):
                until_expires = min(date - answered_at, _LONGEST)
            case _:
                pass
    return (domain, path), max_age if max_age is not None else until_expires
