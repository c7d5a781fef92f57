"""
Say what a vendor has to offer to be logged in to: one small class without any I/O.

The functions here are what most such classes need: `raise_for_refusal` says what an answer means that is no success, `read` makes a
value of one that is, and `token_from` a token of that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol, cast

from yarl import URL

from vendorauth._dates import retry_after
from vendorauth._wire import Seconds, read, wire
from vendorauth.cognito.jwt import credible_life, life_of
from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    ConfigurationError,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
)
from vendorauth.messages import REDIRECTS, Flow, Response, is_passing
from vendorauth.responses import request_id
from vendorauth.tokens import JSON, Challenge, Credentials, Token

__all__ = ["BaseLoginFlow", "LoginFlow", "Seconds", "raise_for_refusal", "read", "token_from", "wire"]

UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_REFUSED: Final = frozenset({"invalid_client", "invalid_grant"})
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", re.ASCII)
_SENDABLE: Final = re.compile("[!-~]+", re.ASCII)


class LoginFlow(Protocol):
    """
    Log in to one vendor, as one account.

    Every method is pure: it reads no clock (*now* is an aware datetime, the time just before the first request is
    sent), keeps nothing on ``self``, and leaves the sending to whoever runs the generator. Redirects are never followed
    for it. `BaseLoginFlow` has defaults for all but *account*, *base_url*, `login` and `headers`, and one more method that
    a flow may have: `status <BaseLoginFlow.status>`, the status that counts in a refusal.
    """

    @property
    def account(self) -> str:
        """Who this is, for the store; holds no secret, and two accounts never share one."""
        ...

    @property
    def base_url(self) -> URL:
        """Where the API is: the only origin that ever sees the token."""
        ...

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """
        Exchange *credentials* for a token, or for what the vendor asks first.

        Raises:
            InvalidCredentials: The vendor refused them.
            ReauthenticationRequired: The vendor refused a configured refresh token.
            AuthServiceUnavailable: The vendor can't serve now.
            ProtocolError: The answer can't be read.
            ConfigurationError: Credentials of this kind can't be used here.
        """
        ...

    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        """Answer *challenge*; *answers* has its fields as keys. Raises what `login` does."""
        ...

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """
        Exchange *token*'s refresh token for a new token; where the answer has no refresh token, the old one is kept.

        Raises:
            ReauthenticationRequired: The refresh token was definitely refused.
            InvalidCredentials: The credentials behind it were refused.
            AuthServiceUnavailable: The vendor can't serve now.
            ProtocolError: The answer can't be read.
        """
        ...

    def headers(self, token: Token) -> Mapping[str, str]:
        """Give the headers that prove *token*; pure, so that it is asked once per token."""
        ...

    def rejects(self, response: Response) -> bool:
        """Tell whether *response* says "that token is no good"; its body is ``None`` on a stream."""
        ...

    def absorb(self, token: Token, response: Response, *, now: datetime) -> Token:
        """Take over what a successful *response* changed (a rolling cookie); else give the same *token* back."""
        ...

    def revoke(self, token: Token) -> Flow[None]:
        """Make *token* worthless at the vendor's, where that is possible."""
        ...


class BaseLoginFlow:
    """Give a new vendor working defaults: no challenges, no refresh, 401 rejects, nothing rolls, nothing to revoke."""

    logs_in_ahead: bool = False
    """
    Whether a login may be sent in the background, ahead of expiry, as a refresh is.

    Right for what a machine is given, a client's secret or an API key, where the vendor gives no refresh token: else every
    expiry makes callers wait. Wrong for a person's password, whose account a vendor may lock, or where a challenge may follow.
    """

    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        """Refuse: this vendor asks nothing."""
        del answers, now
        message = f"{challenge.name}: this vendor has no challenges to answer"
        raise ConfigurationError(message)
        yield  # a generator, like every flow

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """Refuse: this vendor has no refresh tokens."""
        del token, now
        message = "this vendor has no refresh tokens"
        raise ReauthenticationRequired(message)
        yield  # a generator, like every flow

    def rejects(self, response: Response) -> bool:
        """Take 401 for a refused token."""
        return response.status == UNAUTHORIZED

    def status(self, response: Response) -> int:
        """Give the status that counts in a refusal: HTTP's, or a code in the body of a vendor that has one there."""
        return response.status

    def absorb(self, token: Token, response: Response, *, now: datetime) -> Token:
        """Keep *token*."""
        del response, now
        return token

    def revoke(self, token: Token) -> Flow[None]:
        """Do nothing."""
        del token
        return
        yield  # a generator, like every flow


def raise_for_refusal(
    response: Response, label: str, refused: type[InvalidCredentials | ReauthenticationRequired], *, now: datetime
) -> None:
    """
    Raise what *response* means, unless it is a success; *label* is the request's method and path.

    *refused* is for a definite refusal of what was sent: 401, or the errors ``invalid_client`` and ``invalid_grant``
    (RFC 6749, section 5.2): `InvalidCredentials` in a login with a password, `ReauthenticationRequired` where a refresh
    token was sent. ``Retry-After`` counts from *now*. The vendor's own words are not repeated, only its ``error``.

    Raises:
        AuthServiceUnavailable: 408, 425, 429 or 5xx.
        AuthError: Another error with a name, or 403: nobody who types can help.
        ProtocolError: A redirect, or an answer without the name of an error, which somebody else may have given.
    """
    if response.ok:
        return
    # An object of JSON has texts as keys.
    said = cast("dict[str, JSON]", response.json) if isinstance(response.json, dict) else {}
    code = said.get("error")
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else None
    message = " ".join(str(one) for one in (f"{label}:", response.status, code) if one)
    asked = request_id(response)
    if is_passing(response.status):
        raise AuthServiceUnavailable(message, code, asked, retry_after(response.headers, now=now))
    if response.status in REDIRECTS:
        message = f"{message}, and redirects are not followed"
        raise ProtocolError(message)
    if response.status == UNAUTHORIZED or code in _REFUSED:
        raise refused(message, code, asked)
    if code or response.status == _FORBIDDEN:
        raise AuthError(message, code, asked)
    message = f"{message}, which names no error that can be read"
    raise ProtocolError(message)


def token_from(
    value: str,
    label: str,
    *,
    now: datetime,
    expires_in: float | None = None,
) -> Token:
    """
    Make a token of *value*; *label* is the request's method and path.

    It lives for *expires_in* seconds after *now*, or as long as *value* says where that is a JWT, whichever is shorter: a vendor
    may hand out a JWT again that it has kept for a while. Without either, no end is known.

    Raises:
        ProtocolError: *value* can't be sent in a header.
    """
    if not _SENDABLE.fullmatch(value):
        message = f"{label}: the answer has no token that can be sent"
        raise ProtocolError(message)
    lives = [life for life in (life_of(value), credible_life(expires_in or 0.0)) if life]
    return Token(value=value, issued_at=now, expires_at=now + min(lives) if lives else None)
