"""Hold what a fake server saw and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Final, Literal, TypeAlias, cast
from urllib.parse import parse_qsl

import attrs
import msgspec
from multidict import CIMultiDictProxy

from vendorauth.tokens import JSON

Kind: TypeAlias = Literal["login", "challenge", "refresh", "revoke", "auth-information", "api"]
"""What a request is for; ``"challenge"`` is the answer to one."""

_CREDENTIALS: Final = frozenset(
    {"authorization", "cookie", "username", "password", "user_id", "user_email", "user_secret"}
)


@attrs.define
class Count:
    """
    Count what a fake server saw.

    A request is counted when it has arrived, whatever becomes of it; *refused* (tokens that an API request carried, or
    none), *denied* (permission), *passwords_refused*, *reuse* (a spent refresh token beyond the grace period),
    *grace_uses* (within it) and *challenges_answered* (rightly) are counted when the server decides.
    """

    logins: int = 0
    refreshes: int = 0
    revocations: int = 0
    auth_information: int = 0
    challenge_answers: int = 0
    challenges_answered: int = 0
    api: int = 0
    refused: int = 0
    denied: int = 0
    password_attempts: int = 0
    passwords_refused: int = 0
    reuse: int = 0
    grace_uses: int = 0

    def reset(self) -> None:
        """Set every counter to 0."""
        for field in attrs.fields(type(self)):
            setattr(self, field.name, 0)

    def arrived(self, kind: Kind) -> None:
        """Count one request of *kind*."""
        name = _COUNTERS[kind]
        setattr(self, name, getattr(self, name) + 1)


_COUNTERS: Final[Mapping[Kind, str]] = {
    "login": "logins",
    "challenge": "challenge_answers",
    "refresh": "refreshes",
    "revoke": "revocations",
    "auth-information": "auth_information",
    "api": "api",
}


@attrs.frozen(kw_only=True)
class Seen:
    """
    Be one request as it came over the wire.

    *path* and *query* are as sent, percent-encoded, without the ``?`` between them. Query, headers and body hold
    secrets and are not in ``repr``.
    """

    kind: Kind
    method: str
    path: str
    query: str = attrs.field(default="", repr=False)
    headers: CIMultiDictProxy[str] = attrs.field(repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @cached_property
    def params(self) -> dict[str, str]:
        """The query, decoded; of a name given twice, the last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @cached_property
    def json(self) -> JSON:
        """The body as JSON; ``None`` where it is none."""
        return decoded(self.body)

    def echo(self) -> dict[str, JSON]:
        """Say it all back as JSON, without the headers that prove who sent it."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.params,
            "headers": {
                name.lower(): value for name, value in self.headers.items() if name.lower() not in _CREDENTIALS
            },
            "body": self.body.decode(errors="replace"),
            "json": self.json,
        }


def decoded(body: bytes) -> JSON:
    """Decode *body* from JSON; ``None`` where it is none."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def as_map(value: JSON) -> dict[str, JSON]:
    """Give *value* where it is a JSON object, else an empty one."""
    return cast("dict[str, JSON]", value) if isinstance(value, dict) else {}


def _nothing() -> None:
    """Do nothing."""


@attrs.frozen(kw_only=True)
class Answer:
    """
    Be one answer: *body* is sent as it is where it is bytes, else as JSON.

    *written* is called when the answer has been written to the connection, or was meant to be and is lost.
    """

    status: int = HTTPStatus.OK
    body: JSON = attrs.field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    content_type: str = "application/json"
    written: Callable[[], None] = attrs.field(default=_nothing, repr=False)

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)
