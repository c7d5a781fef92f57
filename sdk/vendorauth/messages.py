"""Say what a login flow speaks: requests and responses without any I/O."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cached_property
from typing import Final, Self, TypeAlias, TypeVar
from urllib.parse import urlencode

import attrs
import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from vendorauth.errors import ConfigurationError
from vendorauth.tokens import JSON

T = TypeVar("T")

SAFE: Final = frozenset({"GET", "HEAD"})
"""The methods that only ask: sent twice, they change nothing (RFC 9110, section 9.2.1)."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
"""The statuses whose Location is to be asked instead (RFC 9110, section 15.4)."""

_PASSING: Final = frozenset({408, 425, 429})
_SERVER_ERRORS: Final = 500


def is_passing(status: int) -> bool:
    """Tell whether *status* by itself says "later": 408, 425, 429 and 5xx."""
    return status in _PASSING or status >= _SERVER_ERRORS


def _headers(given: Mapping[str, str]) -> CIMultiDictProxy[str]:
    return given if isinstance(given, CIMultiDictProxy) else CIMultiDictProxy(CIMultiDict(given))


def _no_headers() -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict())


@attrs.frozen
class Request:
    """
    Be one HTTP request of a flow, complete.

    Headers and body hold secrets and are not in ``repr``; neither is the query of *url*.
    """

    method: str
    url: URL = attrs.field(converter=URL, repr=False)
    headers: CIMultiDictProxy[str] = attrs.field(converter=_headers, factory=_no_headers, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def form(cls, url: str | URL, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Self:
        """
        Make a POST of *fields* as a web form does, and as OAuth2 wants it (RFC 6749, appendix B), for JSON in return.

        Raises:
            ConfigurationError: A field holds half a character (a lone surrogate), which can't be sent.
        """
        try:
            body = urlencode(fields).encode()
        except UnicodeEncodeError:
            body = None
        return cls._post(url, "application/x-www-form-urlencoded", body, headers)

    @classmethod
    def json(cls, url: str | URL, content: JSON, headers: Mapping[str, str] | None = None) -> Self:
        """
        Make a POST of *content* as JSON, for JSON in return.

        Raises:
            ConfigurationError: A text in it holds half a character (a lone surrogate), which can't be sent.
        """
        try:
            body = msgspec.json.encode(content)
        except UnicodeEncodeError:
            body = None
        return cls._post(url, "application/json", body, headers)

    @classmethod
    def _post(cls, url: str | URL, kind: str, body: bytes | None, headers: Mapping[str, str] | None) -> Self:
        # Not raised where the encoding failed, because that error holds the text.
        if body is None:
            message = "a credential holds half a character, which can't be sent"
            raise ConfigurationError(message)
        return cls("POST", url, {"Accept": "application/json", "Content-Type": kind, **(headers or {})}, body)

    @property
    def label(self) -> str:
        """How errors and logs call it: method and path."""
        return f"{self.method} {self.url.raw_path}"

    @property
    def only_asks(self) -> bool:
        """Whether it changes nothing, and so carries no password and spends no token."""
        return self.method in SAFE


class _NotJson:
    """Mark a body that is no JSON."""


NOT_JSON = _NotJson()


@attrs.frozen
class Response:
    """
    Be one HTTP response; *body* is ``None`` where it has not been read (a stream).

    Headers and body hold secrets and are not in ``repr``.
    """

    status: int
    headers: CIMultiDictProxy[str] = attrs.field(converter=_headers, factory=_no_headers, repr=False)
    body: bytes | None = attrs.field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (2xx)."""
        return 200 <= self.status < 300  # noqa: PLR2004

    @cached_property
    def json(self) -> JSON:
        """The body as JSON, decoded once; `NOT_JSON` where it is none."""
        if not self.body:
            return NOT_JSON
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError):  # msgspec's DecodeError and UnicodeDecodeError are ValueErrors
            return NOT_JSON


Flow: TypeAlias = Generator[Request, Response, T]
"""A login flow: it yields requests, is sent responses, and returns its result."""
