"""
Write a token down and read it again: the form of a record in every store that keeps bytes.

A record is JSON, ``{"version": 1, "token": {...}}``. A version stays readable for ever: a new one gets a shape and an
entry in ``_READERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import msgspec

from vendorauth._tracebacks import discreetly
from vendorauth._wire import structure
from vendorauth.errors import ProtocolError, StoreUnavailable, StoreUnreadable
from vendorauth.tokens import JSON, Token

END_OF_REFRESH: Final = "refresh_expires_at"


class NoRecord(ValueError):
    """Say that these bytes are no record of any version, and why; what they say is not repeated."""


@attrs.frozen
class _Versioned:
    """What every version has in common."""

    version: int


@attrs.frozen(kw_only=True)
class _TokenOne:
    value: str = attrs.field(repr=False)
    issued_at: datetime
    expires_at: datetime | None
    refresh_token: str | None = attrs.field(repr=False)
    generation: int
    details: dict[str, JSON] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class _RecordOne:
    """What version 1 looks like; a key that it does not know is ignored."""

    token: _TokenOne


@discreetly
def write_record(token: Token) -> bytes:
    """
    Write *token* down, secrets included, for a store of your own: JSON in UTF-8, with a version.

    Raises:
        StoreUnavailable: It holds something that JSON can't say.
    """
    return write(token)


@discreetly
def read_record(record: bytes | str) -> Token:
    """
    Read what `write_record` wrote, in this release or in an earlier one.

    Raises:
        ValueError: This is no record; what it says is not repeated.
        StoreUnreadable: A newer release wrote it: leave it as it is.
    """
    return read(record.encode(errors="surrogatepass") if isinstance(record, str) else record)


def write(token: Token) -> bytes:
    """
    Write *token* down in the newest version.

    Raises:
        StoreUnavailable: It holds something that JSON can't say; names what kind of thing that is, not its value.
    """
    form = {
        "version": max(_READERS),
        "token": {
            "value": token.value,
            "issued_at": token.issued_at.isoformat(),
            "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
            "refresh_token": token.refresh_token,
            "generation": token.generation,
            "details": dict(token.details),
        },
    }
    try:
        return msgspec.json.encode(form)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        problem = type(error).__name__
    # Outside the except block, because a UnicodeEncodeError holds the text.
    message = f"this token can't be written as JSON ({problem})"
    raise StoreUnavailable(message)


def read(content: bytes, subject: str = "the stored record") -> Token:
    """
    Read what `write` wrote, in this release or in an earlier one; *subject* begins the errors' sentences.

    Raises:
        NoRecord: This is no record of any version.
        StoreUnreadable: A newer release wrote it.
    """
    form = decoded(content)
    try:
        version = structure(form, _Versioned, subject).version
        if version in _READERS:
            return _READERS[version](form, subject)
    except ProtocolError as error:
        raise NoRecord(str(error)) from None
    message = f"{subject} is of version {version}, and this release reads up to version {max(_READERS)}"
    raise StoreUnreadable(message) if version > max(_READERS) else NoRecord(message)


def end_of_refresh(token: Token) -> datetime | None:
    """
    Tell when *token*'s refresh token ends; ``None`` where that is not known.

    It is the flow's to say, as `END_OF_REFRESH` among the details, in seconds since the epoch. The end of a token without
    one says nothing: a cookie may roll for weeks before it is saved again.
    """
    until: Any = token.details.get(END_OF_REFRESH)
    try:
        return datetime.fromtimestamp(until, UTC) if type(until) in {int, float} else None
    except (ValueError, OverflowError, OSError):
        return None


def decoded(content: bytes) -> JSON:
    """Decode *content* from JSON; ``None`` where it is none."""
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError):  # msgspec's DecodeError and UnicodeDecodeError are ValueErrors
        return None


def _read_one(form: JSON, subject: str) -> Token:
    record = structure(form, _RecordOne, subject)
    return Token(**attrs.asdict(record.token, recurse=False))


_READERS: Final[dict[int, Callable[[JSON, str], Token]]] = {1: _read_one}
