"""Say what a vendor has to offer to be logged in to: one small class without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from yarl import URL

from vendorauth.errors import ConfigurationError, ReauthenticationRequired
from vendorauth.messages import Flow, Response
from vendorauth.tokens import Challenge, Credentials, Token

UNAUTHORIZED = 401


class LoginFlow(Protocol):
    """
    Log in to one vendor, as one account.

    Every method is pure: it reads no clock (*now* is an aware datetime, the time just before the first request is
    sent), keeps nothing on ``self``, and leaves the sending to whoever runs the generator. Redirects are never followed
    for it. `BaseLoginFlow` has defaults for all but *account*, *base_url*, `login` and `headers`.
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
