"""Log in to Protogrid, without any I/O. Source of all facts: Protogrid wiki, "JSON API Authentication"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, assert_never, final, get_args

import attrs
import msgspec
from multidict import istr
from yarl import URL

from vendorauth._dates import read_date
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.flows import BaseLoginFlow
from vendorauth.messages import Flow, Request, Response
from vendorauth.protogrid.answers import raise_for_failure
from vendorauth.protogrid.cookies import SESSION, SessionCookie, session_cookie
from vendorauth.protogrid.credentials import LoginWith, Scheme, UserHeader, basic, checked, credentials_in
from vendorauth.protogrid.models import REFUSALS, errors_in, status_of
from vendorauth.tokens import Challenge, Credentials, PasswordCredentials, Token

AUTHENTICATE: Final = "/api/v2/authenticate"

_SET_COOKIE: Final = istr("Set-Cookie")
_JSON: Final = "application/json"


@final
class ProtogridFlow(BaseLoginFlow):
    """
    Log in to one Protogrid environment, as one account.

    *base_url* is ``https://<environment>.protogrid.com``; a path in it is kept. *account* names the login in the store.

    *scheme* is what proves a request: with ``"cookie"`` a login brings a session; with ``"headers"`` and ``"basic"``
    nothing is logged in and the credentials go with every request (documented since 2022), in a token that must never
    be stored. *login_with* is how the cookie is asked for: ``"headers"`` sends the names of both generations in one
    request, so that every documented server understands it, *user_header* choosing the older one for the user;
    ``"body"`` sends JSON, which alone takes any text.

    There are no refresh tokens, and no way to log out is documented.

    Raises:
        ConfigurationError: An option has a value that does not exist.
    """

    def __init__(
        self,
        base_url: str | URL,
        *,
        account: str,
        scheme: Scheme = "cookie",
        login_with: LoginWith = "headers",
        user_header: UserHeader = "user_id",
    ) -> None:
        _check_option("scheme", scheme, get_args(Scheme))
        _check_option("login_with", login_with, get_args(LoginWith))
        _check_option("user_header", user_header, get_args(UserHeader))
        self._account = account
        self._base_url = URL(str(base_url).rstrip("/"))
        self._authenticate_url = URL(str(self._base_url).rstrip("/") + AUTHENTICATE)
        self._scheme: Scheme = scheme
        self._sent_with: LoginWith = login_with if scheme == "cookie" else scheme
        self._user_header = user_header

    @property
    def account(self) -> str:
        """Who this is, for the store."""
        return self._account

    @property
    def base_url(self) -> URL:
        """Where the environment is, without a slash at the end."""
        return self._base_url

    def check(self, credentials: Credentials) -> None:
        """
        Make sure that *credentials* can be sent unchanged; a password that arrives mangled would lock the account.

        What goes into a header has to be printable ASCII without blanks at either end, and a user name without a colon
        for HTTP Basic (RFC 7617, section 2).

        Raises:
            ConfigurationError: They can't; names the field, not its value.
        """
        checked(credentials, self._sent_with)

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """
        Exchange *credentials* for a session; with the other schemes, put them into a token and send nothing.

        A login is a success with a 2xx status, no errors and a session; the text of the result does not count. The
        session ends when its cookie says so; most say nothing.

        Raises:
            InvalidCredentials: The vendor refused them: 401 or 403, in the status or in the envelope of any status.
            AuthServiceUnavailable: 429 or 5xx, likewise.
            AuthError: The envelope has other errors.
            ProtocolError: A redirect, another status without errors, no envelope, or no session in it.
            ConfigurationError: They can't be sent this way (see `check`), or are a refresh token.
        """
        password = checked(credentials, self._sent_with)
        if self._scheme != "cookie":
            return Token(value="", issued_at=now, details=attrs.asdict(password))
        request = self._authenticate(password)
        response = yield request
        raise_for_failure(response, request.label, now=now)
        cookie = _session(response, now)
        if cookie is None:
            message = f"{request.label}: the answer ({response.status}) has no session cookie"
            raise ProtocolError(message)
        return Token(value=cookie.value, issued_at=now, expires_at=_end(cookie, now))

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """
        Ask whether the credentials in *token* are still good; a session can only be replaced by a new login.

        The API answers a wrong password and a missing permission alike, and this tells them apart.

        Raises:
            ReauthenticationRequired: It is a session, or has no credentials.
            InvalidCredentials: They were refused.
            AuthServiceUnavailable: 429 or 5xx.
            AuthError: The envelope has other errors.
            ProtocolError: The answer can't be read.
        """
        if self._scheme == "cookie":
            return (yield from super().refresh(token, now=now))
        request = self._authenticate(credentials_in(token))
        response = yield request
        raise_for_failure(response, request.label, now=now)
        return attrs.evolve(token, issued_at=now)

    def headers(self, token: Token) -> Mapping[str, str]:
        """
        Give the session as a cookie, or the credentials under the names that are documented since 2022.

        Raises:
            ReauthenticationRequired: The scheme sends credentials and *token* has none.
        """
        if self._scheme == "cookie":
            return {"Cookie": f"{SESSION}={token.value}"}
        credentials = credentials_in(token)
        if self._scheme == "basic":
            return basic(credentials)
        return {"username": credentials.username, "password": credentials.password}

    def rejects(self, response: Response) -> bool:
        """Take 401 and 403 for a refusal, in the status or in the envelope of any status."""
        return status_of(response) in REFUSALS

    def status(self, response: Response) -> int:
        """Give the envelope's code where that is an HTTP status of an error, else HTTP's own."""
        return status_of(response)

    def absorb(self, token: Token, response: Response, *, now: datetime) -> Token:
        """
        Take over another session that came with a success (2xx, no errors), and its end; else give *token* itself.

        Since February 2022 every successful answer brings a valid session. The generation is kept.
        """
        if self._scheme != "cookie" or _SET_COOKIE not in response.headers:
            return token
        if not response.ok or errors_in(response):
            return token
        cookie = _session(response, now)
        if cookie is None or cookie.value == token.value:
            return token
        return attrs.evolve(token, value=cookie.value, issued_at=now, expires_at=_end(cookie, now))

    def _authenticate(self, credentials: PasswordCredentials) -> Request:
        headers = {"Accept": _JSON}
        body = b""
        match self._sent_with:
            case "headers":
                headers |= {
                    self._user_header: credentials.username,
                    "user_secret": credentials.password,
                    "username": credentials.username,
                    "password": credentials.password,
                }
            case "basic":
                headers |= basic(credentials)
            case "body":
                headers["Content-Type"] = _JSON
                body = msgspec.json.encode({"username": credentials.username, "password": credentials.password})
            case _:
                assert_never(self._sent_with)
        return Request("POST", self._authenticate_url, headers, body)


def _check_option(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        message = f"{name} must be one of {', '.join(known)}"
        raise ConfigurationError(message)


def _session(response: Response, now: datetime) -> SessionCookie | None:
    answered_at = read_date(response.headers.get("Date", "")) or now
    return session_cookie(response.headers.getall(_SET_COOKIE, ()), answered_at=answered_at)


def _end(cookie: SessionCookie, now: datetime) -> datetime | None:
    return None if cookie.lifetime is None else now + cookie.lifetime
