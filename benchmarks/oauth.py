"""Make tokens that are fresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from vendorauth import Token

VALUE: Final = "e" * 900
"""As long as a JWT of Amazon Cognito's."""
LIFE: Final = 36_000
"""Seconds that it lives."""


def token() -> Token:
    """Make one for this package."""
    now = datetime.now(UTC)
    return Token(value=VALUE, issued_at=now, expires_at=now + timedelta(seconds=LIFE), generation=1)


def naive_end() -> datetime:
    """Give its end without a zone, as google-auth wants it."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=LIFE)
