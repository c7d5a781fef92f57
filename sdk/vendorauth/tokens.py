"""
Hold what a person types, what a login returns, and what a vendor asks in between.

Every secret here is left out of ``repr``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Self, TypeAlias

import attrs
import msgspec

from vendorauth._tracebacks import discreet, discreetly

JSON: TypeAlias = Any
"""What JSON can say: ``None``, ``bool``, numbers, ``str``, lists and dicts of these."""


def _text(_: object, field: attrs.Attribute[str], value: object) -> None:
    # attrs' own instance_of() prints the value, which is a secret here.
    if not isinstance(value, str):
        message = f"{field.name} must be a str, not {type(value).__name__}"
        raise TypeError(message)
    if not value:
        message = f"{field.name} is empty"
        raise ValueError(message)


@discreet
@attrs.frozen
class PasswordCredentials:
    """
    Hold a user name and a password.

    Raises:
        TypeError: One of them is no ``str``.
        ValueError: One of them is empty.
    """

    username: str = attrs.field(validator=_text)
    password: str = attrs.field(validator=_text, repr=False)


@discreet
@attrs.frozen
class RefreshTokenCredentials:
    """
    Hold a refresh token as the only credential, as ProGlove recommends for a service.

    Raises:
        TypeError: It is no ``str``.
        ValueError: It is empty.
    """

    refresh_token: str = attrs.field(validator=_text, repr=False)


Credentials: TypeAlias = PasswordCredentials | RefreshTokenCredentials
"""What logs in."""

CredentialsSource: TypeAlias = Credentials | Callable[[], Awaitable[Credentials]] | None
"""
Credentials; or an async callable (a secret manager) that is asked only when a login is due, outside every lock;
or ``None``, which means: whatever the store holds.
"""


def _aware(_: object, field: attrs.Attribute[Any], value: datetime | None) -> None:
    if value is not None and value.utcoffset() is None:
        message = f"{field.name} must be an aware datetime"
        raise ValueError(message)


@discreet
@attrs.frozen(kw_only=True)
class Token:
    """
    Be one login's result, whole and immutable.

    *value* is what proves the login (ProGlove: the JWT that is sent; Protogrid: the ``session`` cookie's value; empty
    where the credentials themselves are sent with every request). *issued_at* is the time just before the request that
    brought it was sent; *expires_at* is ``None`` when the vendor names no end. Both are aware. *generation* is set by
    the engine, never by a flow; 0 means "not yet set". *details* holds JSON that the flow wants back at the next
    refresh or request; ``refresh_expires_at`` among them, in seconds since the epoch, tells stores that forget by
    themselves when the refresh token ends.

    Raises:
        ValueError: A time is naive.
    """

    value: str = attrs.field(repr=False)
    issued_at: datetime = attrs.field(validator=_aware)
    expires_at: datetime | None = attrs.field(default=None, validator=_aware)
    refresh_token: str | None = attrs.field(default=None, repr=False)
    generation: int = 0
    details: Mapping[str, JSON] = attrs.field(factory=dict[str, JSON], repr=False, hash=False)

    def is_newer_than(self, other: Token) -> bool:
        """Tell whether this token came after *other*: a later generation, or the same one with a cookie that rolled."""
        if self.generation == other.generation:
            return self.value != other.value
        return self.generation > other.generation


@discreet
@attrs.frozen(kw_only=True)
class Challenge:
    """
    Be what a vendor asks before it gives a token: a code, a new password, a choice.

    *name* is the vendor's own (Cognito: ``SOFTWARE_TOKEN_MFA``), *account* the one that logs in, *fields* the keys to
    answer with, *hint* what the vendor says about where to look ("+49\N{HORIZONTAL ELLIPSIS}89"), *expires_at* the time
    after which an answer is too late (aware, ``None`` when unknown). *hidden* is what answering needs besides (user
    name, client id, the vendor's session): it is not for showing and not in ``repr``.
    """

    name: str
    account: str
    fields: tuple[str, ...] = ()
    hint: str = ""
    expires_at: datetime | None = attrs.field(default=None, validator=_aware)
    hidden: Mapping[str, JSON] = attrs.field(factory=dict[str, JSON], repr=False, hash=False)

    def to_json(self) -> str:
        """
        Write it down, hidden part included, for the time between two web requests. Keep it on the server's side.

        Raises:
            ValueError: It holds half a character (a lone surrogate), which no JSON can, or is nested too deeply.
        """
        try:
            return msgspec.json.encode(attrs.asdict(self, recurse=False)).decode()
        except UnicodeEncodeError:
            message = "half a character in it can't be written"
        except RecursionError:
            message = "it is nested too deeply to be written"
        raise ValueError(message)

    @classmethod
    @discreetly
    def from_json(cls, text: str) -> Self:
        """
        Read what `to_json` wrote.

        Raises:
            ValueError: The text is something else; what it says is not repeated.
        """
        try:
            shape = msgspec.json.decode(text, type=_WrittenChallenge)
        except (ValueError, RecursionError):
            shape = None
        if shape is None:
            message = "this is not a challenge that Challenge.to_json() wrote"
            raise ValueError(message)
        return cls(
            name=shape.name,
            account=shape.account,
            fields=shape.fields,
            hint=shape.hint,
            expires_at=shape.expires_at,
            hidden=shape.hidden,
        )


class _WrittenChallenge(msgspec.Struct):
    """What `Challenge.to_json` writes."""

    name: str
    account: str
    fields: tuple[str, ...]
    hint: str
    expires_at: datetime | None
    hidden: dict[str, JSON]
