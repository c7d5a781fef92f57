"""Read how long a JWT lives, without verifying it: it is the API that must trust it, not its bearer."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final

import msgspec

LONGEST_LIFE: Final = timedelta(days=3652)
"""Ten years: the longest life that Cognito can give to any token (AWS API reference, UserPoolClientType)."""


class _Claims(msgspec.Struct):
    exp: int | float
    iat: int | float


def credible_life(seconds: float) -> timedelta | None:
    """Take *seconds* for a token's life; ``None`` where no token can live that long, or that short."""
    if not 0 < seconds <= LONGEST_LIFE.total_seconds():
        return None
    return timedelta(seconds=seconds) or None


def life_of(token: str) -> timedelta | None:
    """
    Give *token*'s life, ``exp - iat``, whatever the local clock says; ``None`` when it can't be read. Never raises.

    Both claims are NumericDates: seconds, with or without a fraction (RFC 7519).
    """
    try:
        _, payload, _ = token.split(".")
        text = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
        claims = msgspec.json.decode(text, type=_Claims)
        return credible_life(claims.exp - claims.iat)
    except (ValueError, OverflowError, RecursionError):  # binascii's, msgspec's and Unicode errors are ValueErrors
        return None
