"""Log in to ProGlove INSIGHT: ask where the customer's users log in, then ask Amazon Cognito for tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, final, get_args

import attrs
from yarl import URL

from vendorauth._urls import quoted
from vendorauth._wire import read, structure
from vendorauth.cognito.challenges import challenge_from, check_answers, username_for
from vendorauth.cognito.endpoints import host_suffix, login_url
from vendorauth.cognito.errors import RESOURCE_NOT_FOUND, refusal, vendor_code
from vendorauth.cognito.protocol import AppClient, TokenKind, check, read_answer, token_from
from vendorauth.cognito.shapes import AuthAnswer, AuthenticationResult
from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    ConfigurationError,
    ProtocolError,
    ReauthenticationRequired,
    VendorAuthError,
)
from vendorauth.flows import BaseLoginFlow
from vendorauth.messages import Flow, Request, Response, is_passing
from vendorauth.proglove.models import AuthInformation
from vendorauth.tokens import JSON, Challenge, Credentials, RefreshTokenCredentials, Token

RefreshWith = Literal["initiate-auth", "get-tokens"]
"""Which of Cognito's two operations exchanges a refresh token."""

_REFUSALS: Final = frozenset({401, 403})
_CLIENT_ERRORS: Final = 400
_SCHEME: Final = re.compile("[!-~]*", re.ASCII)


@attrs.frozen(kw_only=True)
class _Memory:
    """What a token or a challenge carries along, as JSON, so that the next step needs no question asked again."""

    auth_information: AuthInformation | None = None
    username: str | None = None
    device_key: str | None = attrs.field(default=None, repr=False)
    device_group_key: str | None = attrs.field(default=None, repr=False)
    challenge_session: str | None = attrs.field(default=None, repr=False)
    challenge_parameters: JSON = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, details: Mapping[str, JSON]) -> _Memory:
        """Read what `to_json` wrote; anything else is remembered as nothing."""
        try:
            return structure(dict(details), cls, "details")
        except ProtocolError:
            return cls()

    def to_json(self) -> dict[str, JSON]:
        """Write down what is known."""
        known = _known(self)
        return known if self.auth_information is None else {**known, "auth_information": _known(self.auth_information)}

    def after(self, result: AuthenticationResult) -> _Memory:
        """Add the device that *result* names; a pool names it once, at the login that it first sees."""
        device = result.new_device_metadata
        memory = attrs.evolve(self, challenge_session=None, challenge_parameters=None)
        if device is None or not device.device_key:
            return memory
        return attrs.evolve(memory, device_key=device.device_key, device_group_key=device.device_group_key)


@final
class ProGloveFlow(BaseLoginFlow):
    """
    Log in to ProGlove INSIGHT as one user of one customer (ProGlove, Authentication).

    *base_url* is the customer's own and keeps its path (``/latest``); *account* is the name in the store. The vendor's
    pages contradict each other about what goes into ``Authorization``: *token_kind* chooses between the IdToken and
    the AccessToken, *authorization_scheme* puts a word (``Bearer``) before it. *cognito_url* is the complete URL to
    post to instead of the region's; the region plays no part then. *refresh_with* is for pools that rotate refresh
    tokens: they want ``"get-tokens"`` (AWS API reference, GetTokensFromRefreshToken).

    Raises:
        ConfigurationError: An argument can't be right.
    """

    def __init__(
        self,
        base_url: str | URL,
        customer_id: str,
        *,
        account: str,
        token_kind: TokenKind = "id",  # noqa: S107  a kind, no token
        authorization_scheme: str = "",
        cognito_url: str | URL | None = None,
        refresh_with: RefreshWith = "initiate-auth",
    ) -> None:
        _one_of("token_kind", token_kind, get_args(TokenKind))
        _one_of("refresh_with", refresh_with, get_args(RefreshWith))
        if not _SCHEME.fullmatch(authorization_scheme):
            message = "authorization_scheme must be one word of printable ASCII"
            raise ConfigurationError(message)
        self._base_url = URL(str(base_url).rstrip("/"))
        customer = quoted(customer_id, "customer_id")
        self._information_url = URL(f"{self._base_url}/auth-information?id={customer}", encoded=True)
        self._account = account
        self._token_kind: TokenKind = token_kind
        self._scheme = authorization_scheme
        self._cognito_url = URL(cognito_url) if cognito_url else None
        self._refresh_with: RefreshWith = refresh_with

    def __repr__(self) -> str:
        return f"ProGloveFlow({str(self._base_url)!r}, account={self._account!r})"

    @property
    def account(self) -> str:
        """Who this is, for the store."""
        return self._account

    @property
    def base_url(self) -> URL:
        """Where the API is, without a slash at the end."""
        return self._base_url

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """
        Ask for the auth-information, then exchange *credentials* for a token, or for what Cognito asks first.

        A refresh token is a login, too: ProGlove recommends it for services (ProGlove, Long-lived credentials).

        Raises:
            InvalidCredentials: Cognito refused the user name or the password.
            ReauthenticationRequired: Cognito refused the refresh token.
            AuthServiceUnavailable: ProGlove or Cognito can't serve now.
            AuthError: ProGlove does not know the customer, or the user pool is set up for something else.
            ProtocolError: An answer can't be read, or names a region that is none.
        """
        client, memory = yield from self._ask(_Memory())
        if isinstance(credentials, RefreshTokenCredentials):
            return (yield from self._renew(client, credentials.refresh_token, memory, now=now))
        memory = attrs.evolve(memory, username=credentials.username)
        request = client.password_login(credentials.username, credentials.password)
        response = yield request
        return self._outcome(read_answer(response, request.label, "login"), request, memory, now=now)

    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        """
        Answer *challenge* with its fields (AWS API reference, RespondToAuthChallenge); another one may follow.

        Challenges that this version does not know have no fields and take any keys.

        Raises:
            ConfigurationError: A field is missing or unknown, or the challenge is not this account's.
            InvalidCredentials: A code is wrong or too late, a new password not good enough.
        """
        if challenge.account != self._account:
            message = f"{self._account}: this challenge is another account's"
            raise ConfigurationError(message)
        check_answers(challenge, answers)
        memory = _Memory.of(challenge.hidden)
        client = self._remembered(memory)
        if client is None or memory.username is None:
            message = f"{self._account}: the hidden part of the challenge {challenge.name} is missing"
            raise ConfigurationError(message)
        responses = {"USERNAME": memory.username, **answers}
        request = client.respond(challenge.name, responses, memory.challenge_session)
        response = yield request
        return self._outcome(read_answer(response, request.label, "answer"), request, memory, now=now)

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """
        Exchange *token*'s refresh token; the old one is kept unless the answer has a new one.

        The auth-information that came with the login is used again. It is asked for anew when it is not there, or when
        Cognito says that the client id does not exist, which is tried once.

        Raises:
            ReauthenticationRequired: There is no refresh token, or Cognito definitely refused it.
            AuthServiceUnavailable: ProGlove or Cognito can't serve now.
            AuthError: Cognito refused for a reason that says nothing about the refresh token.
            ProtocolError: An answer can't be read, or names a region that is none.
        """
        refresh_token = _refresh_token(token)
        memory = _Memory.of(token.details)
        client = self._remembered(memory)
        if client is not None:
            try:
                return (yield from self._renew(client, refresh_token, memory, now=now))
            except AuthError as error:
                if error.code != RESOURCE_NOT_FOUND:
                    raise
        client, memory = yield from self._ask(memory)
        return (yield from self._renew(client, refresh_token, memory, now=now))

    def headers(self, token: Token) -> Mapping[str, str]:
        """
        Give the ``Authorization`` header: the raw token, or the scheme, a blank and the token.

        ProGlove warns that extra words in it can cause a 403 (ProGlove, Get endpoint data).
        """
        value = f"{self._scheme} {token.value}" if self._scheme else token.value
        return {"Authorization": value}

    def rejects(self, response: Response) -> bool:
        """Take 401 and 403 for a refused token: an API gateway answers either when a JWT is over (AWS, API Gateway)."""
        return response.status in _REFUSALS

    def revoke(self, token: Token) -> Flow[None]:
        """
        Make *token*'s refresh token worthless; without one, nothing is sent (AWS API reference, RevokeToken).

        The JWT itself stays valid until it ends, for whoever checks nothing but its signature.

        Raises:
            AuthError: Cognito did not do it.
            ProtocolError: An answer can't be read.
        """
        if not token.refresh_token:
            return
        memory = _Memory.of(token.details)
        client = self._remembered(memory)
        if client is None:
            client, _ = yield from self._ask(memory)
        request = client.revoke(token.refresh_token)
        response = yield request
        check(response, request.label, "revoke")

    def _renew(self, client: AppClient, refresh_token: str, memory: _Memory, *, now: datetime) -> Flow[Token]:
        build = client.get_tokens if self._refresh_with == "get-tokens" else client.refresh
        request = build(refresh_token, memory.device_key)
        response = yield request
        answer = read_answer(response, request.label, "refresh")
        if answer.authentication_result is None:
            message = f"{request.label}: Cognito asks for more than the refresh token"
            raise ReauthenticationRequired(message)
        return self._token(answer.authentication_result, request, memory, now=now, refresh_token=refresh_token)

    def _outcome(self, answer: AuthAnswer, request: Request, memory: _Memory, *, now: datetime) -> Token | Challenge:
        if answer.authentication_result is not None:
            return self._token(answer.authentication_result, request, memory, now=now)
        hidden = attrs.evolve(
            memory,
            username=username_for(answer, memory.username),
            challenge_session=answer.challenge_session,
            challenge_parameters=answer.challenge_parameters,
        )
        return challenge_from(answer, account=self._account, now=now, label=request.label, hidden=hidden.to_json())

    def _token(
        self,
        result: AuthenticationResult,
        request: Request,
        memory: _Memory,
        *,
        now: datetime,
        refresh_token: str | None = None,
    ) -> Token:
        return token_from(
            result,
            kind=self._token_kind,
            now=now,
            label=request.label,
            refresh_token=refresh_token,
            details=memory.after(result).to_json(),
        )

    def _ask(self, memory: _Memory) -> Flow[tuple[AppClient, _Memory]]:
        """Fetch the auth-information; give whom to talk to, and *memory* with it."""
        request = Request("GET", self._information_url)
        response = yield request
        if not response.ok:
            raise _unavailable(response, request.label)
        information = read(response, AuthInformation, request.label)
        client = self._app_client(information, f"{request.label}: the answer")
        return client, attrs.evolve(memory, auth_information=information)

    def _remembered(self, memory: _Memory) -> AppClient | None:
        """Give whom to talk to; ``None`` where *memory* does not say it."""
        information = memory.auth_information
        if information is None or (not self._cognito_url and host_suffix(information.region) is None):
            return None
        return self._app_client(information, "details")

    def _app_client(self, information: AuthInformation, subject: str) -> AppClient:
        url = self._cognito_url or login_url(information.region, subject)
        return AppClient(url, information.user_pool_client_id)


def _known(shape: attrs.AttrsInstance) -> dict[str, JSON]:
    # Not recursive: it would follow the vendor's JSON down, and Python's stack may end before that does.
    return attrs.asdict(shape, recurse=False, filter=lambda _, value: value is not None)


def _unavailable(response: Response, label: str) -> VendorAuthError:
    """Say what it means that there is no auth-information; the vendor documents only 400, "malformed request"."""
    status = response.status
    if status < _CLIENT_ERRORS:
        return ProtocolError(f"{label}: the answer is a {status}, and redirects are not followed")
    said = " ".join(str(one) for one in (status, vendor_code(response)) if one)
    if is_passing(status):
        return refusal(AuthServiceUnavailable, response, f"{label}: {said}")
    return refusal(AuthError, response, f"{label}: {said}; are the base URL and the customer id right?")


def _refresh_token(token: Token) -> str:
    if not token.refresh_token:
        message = "the token came without a refresh token"
        raise ReauthenticationRequired(message)
    return token.refresh_token


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        message = f"{name} must be one of {', '.join(choices)}"
        raise ConfigurationError(message)
