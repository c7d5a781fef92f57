"""Say what is sent to Cognito, to the byte, and make a token of what comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import attrs
import msgspec
from yarl import URL

from vendorauth._wire import read
from vendorauth.cognito.errors import Step, failure
from vendorauth.cognito.jwt import credible_life, life_of
from vendorauth.cognito.shapes import AuthAnswer, AuthenticationResult
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.messages import Request, Response
from vendorauth.tokens import JSON, Token

TokenKind: TypeAlias = Literal["id", "access"]
"""Which of Cognito's two JWTs an API wants to see."""

DEFAULT_LIFE: Final = timedelta(hours=1)
"""Cognito's default, and what ProGlove documents for the IdToken (ProGlove, Authentication: Expiration)."""

_SENDABLE: Final = re.compile("[!-~]+", re.ASCII)


@attrs.frozen
class AppClient:
    """
    Be one app client of a user pool: the complete *url* that is posted to, and the *client_id*.

    Every method builds one request of the AWS API reference. None is signed; all are ``application/x-amz-json-1.1``.
    """

    url: URL
    client_id: str

    def password_login(self, username: str, password: str) -> Request:
        """Build InitiateAuth with a password (ProGlove, Authentication: Log in and get the Access Token)."""
        return self._initiate_auth("USER_PASSWORD_AUTH", {"USERNAME": username, "PASSWORD": password})

    def refresh(self, refresh_token: str, device_key: str | None = None) -> Request:
        """
        Build InitiateAuth with a refresh token (ProGlove, Authentication: Long-lived credentials).

        Pools that track devices refuse it without the *device_key* that a login brought.
        """
        device = {"DEVICE_KEY": device_key} if device_key else {}
        return self._initiate_auth("REFRESH_TOKEN", {"REFRESH_TOKEN": refresh_token, **device})

    def get_tokens(self, refresh_token: str, device_key: str | None = None) -> Request:
        """Build GetTokensFromRefreshToken, which pools with rotating refresh tokens want."""
        device = {"DeviceKey": device_key} if device_key else {}
        body = {"RefreshToken": refresh_token, "ClientId": self.client_id, **device}
        return self._request("GetTokensFromRefreshToken", body)

    def respond(self, name: str, responses: Mapping[str, str], challenge_session: str | None) -> Request:
        """Build RespondToAuthChallenge; *challenge_session* goes back as it came."""
        known = {"Session": challenge_session} if challenge_session else {}
        body = {"ClientId": self.client_id, "ChallengeName": name, **known, "ChallengeResponses": dict(responses)}
        return self._request("RespondToAuthChallenge", body)

    def revoke(self, refresh_token: str) -> Request:
        """Build RevokeToken, which ends *refresh_token* and the access tokens that came from it."""
        return self._request("RevokeToken", {"Token": refresh_token, "ClientId": self.client_id})

    def _initiate_auth(self, auth_flow: str, parameters: Mapping[str, str]) -> Request:
        body = {"AuthFlow": auth_flow, "ClientId": self.client_id, "AuthParameters": parameters}
        return self._request("InitiateAuth", body)

    def _request(self, operation: str, body: Mapping[str, JSON]) -> Request:
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
        }
        return Request("POST", self.url, headers, _encoded(body, operation))


def _encoded(body: Mapping[str, JSON], operation: str) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        message = f"{operation}: a credential or an answer holds half a character, which no JSON can carry"
    # Outside the except block, because the error holds the text.
    raise ConfigurationError(message)


def read_answer(response: Response, label: str, step: Step) -> AuthAnswer:
    """
    Read the answer to any request but RevokeToken; *label* is the request's method and path.

    Raises:
        AuthError: Cognito refused; see `vendorauth.cognito.errors`.
        ProtocolError: The answer can't be read, or is a success with neither result nor challenge.
    """
    check(response, label, step)
    answer = read(response, AuthAnswer, label)
    if answer.authentication_result is None and not answer.challenge_name:
        message = f"{label}: the answer ({response.status}) has neither a result nor a challenge"
        raise ProtocolError(message)
    return answer


def check(response: Response, label: str, step: Step) -> None:
    """
    Make sure that *response* is one of success; RevokeToken's has nothing more to read.

    Raises:
        AuthError: Cognito refused; see `vendorauth.cognito.errors`.
        ProtocolError: It is a redirect, or it can't be read.
    """
    if not response.ok:
        raise failure(response, label, step)


def token_from(
    result: AuthenticationResult,
    *,
    kind: TokenKind,
    now: datetime,
    label: str,
    refresh_token: str | None = None,
    details: Mapping[str, JSON],
) -> Token:
    """
    Make a token of *result*; *refresh_token* is the old one, kept where *result* brings none.

    It ends the life of the JWT that is sent after *now*, when that can be read, else ``ExpiresIn``, else one hour.

    Raises:
        ProtocolError: The JWT of this *kind* is missing, or can't be sent in a header.
    """
    wire_name, value = ("IdToken", result.id_token) if kind == "id" else ("AccessToken", result.access_token)
    if not value or not _SENDABLE.fullmatch(value):
        message = f"{label}: the answer has no {wire_name} that can be sent"
        raise ProtocolError(message)
    return Token(
        value=value,
        issued_at=now,
        expires_at=now + _life(value, result),
        refresh_token=result.refresh_token or refresh_token,
        details=details,
    )


def _life(value: str, result: AuthenticationResult) -> timedelta:
    return life_of(value) or credible_life(result.expires_in or 0) or DEFAULT_LIFE
