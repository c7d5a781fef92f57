"""
Say how Protogrid takes credentials, and what of them can be sent unchanged.

Source: Protogrid wiki, "JSON API Authentication", whose revisions differ: until 2021 the header names were ``user_id``
(or ``user_email``) and ``user_secret``, since 2022 they are ``username`` and ``password``; credentials in a JSON body
came in February 2022.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final, Literal, TypeAlias

from vendorauth.errors import ConfigurationError, ReauthenticationRequired
from vendorauth.tokens import JSON, Credentials, PasswordCredentials, Token

Scheme: TypeAlias = Literal["cookie", "headers", "basic"]
"""What proves a request: the session cookie, or the credentials themselves in headers or as HTTP Basic."""

LoginWith: TypeAlias = Literal["headers", "basic", "body"]
"""How the credentials are sent to log in."""

UserHeader: TypeAlias = Literal["user_id", "user_email"]
"""What the user's header was called until 2021; ``user_id`` takes the user name as well as the e-mail address."""

_PRINTABLE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_OTHERWISE: Final = 'use scheme="cookie" with login_with="body"'


def checked(credentials: Credentials, sent_with: LoginWith) -> PasswordCredentials:
    """
    Make sure that *credentials* can be sent unchanged; a password that arrives mangled would lock the account.

    What goes into a header has to be printable ASCII without blanks at either end, and a user name without a colon for
    HTTP Basic (RFC 7617, section 2).

    Raises:
        ConfigurationError: They can't, or are a refresh token; names the field, not its value.
    """
    if not isinstance(credentials, PasswordCredentials):
        message = "Protogrid has no refresh tokens: it takes PasswordCredentials"
        raise ConfigurationError(message)
    for field, text in (("username", credentials.username), ("password", credentials.password)):
        if sent_with == "body":
            _check_text(field, text)
        else:
            _check_header(field, text)
    if sent_with == "basic" and ":" in credentials.username:
        message = f"username has a colon, which HTTP Basic can't send; {_OTHERWISE}"
        raise ConfigurationError(message)
    return credentials


def basic(credentials: PasswordCredentials) -> dict[str, str]:
    """Write *credentials* as HTTP Basic (RFC 7617)."""
    pair = f"{credentials.username}:{credentials.password}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def credentials_in(token: Token) -> PasswordCredentials:
    """
    Take the credentials out of a *token* of the schemes that send them with every request.

    Raises:
        ReauthenticationRequired: It has none.
    """
    username: JSON = token.details.get("username")
    password: JSON = token.details.get("password")
    if not (username and password and isinstance(username, str) and isinstance(password, str)):
        message = "the token holds no credentials"
        raise ReauthenticationRequired(message)
    return PasswordCredentials(username, password)


def _check_header(field: str, text: str) -> None:
    if not _PRINTABLE.fullmatch(text):
        message = f"{field} must be printable ASCII without blanks at either end to go into a header; {_OTHERWISE}"
        raise ConfigurationError(message)


def _check_text(field: str, text: str) -> None:
    if _SURROGATES.search(text):
        message = f"{field} has lone surrogates, which UTF-8 can't send"
        raise ConfigurationError(message)
