"""Speak Amazon Cognito's user-pool protocol as far as a login needs it, for the fake of ProGlove."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

import attrs

from vendorauth.testing._challenges import Pending, Requirement
from vendorauth.testing._cognito_answers import SPELLINGS, WRONG_TYPES, ErrorSpelling, WrongType
from vendorauth.testing._ledger import Ledger, Login, RefreshToken, TokenUse, jwt, times
from vendorauth.testing._records import Answer, Kind, Seen, as_map, decoded
from vendorauth.testing._server import LoopbackServer
from vendorauth.tokens import JSON

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
TARGET: Final = "AWSCognitoIdentityProviderService."
UserState: TypeAlias = Literal["ok", "locked", "disabled", "not-found", "unconfirmed", "reset-required"]

_REFRESH_FLOWS: Final = frozenset({"REFRESH_TOKEN", "REFRESH_TOKEN_AUTH"})
_KINDS: Final[Mapping[str, Kind]] = {
    "RespondToAuthChallenge": "challenge",
    "GetTokensFromRefreshToken": "refresh",
    "RevokeToken": "revoke",
}
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "locked": ("NotAuthorizedException", "Password attempts exceeded"),
    "disabled": ("NotAuthorizedException", "User is disabled."),
    "not-found": ("UserNotFoundException", "User does not exist."),
    "unconfirmed": ("UserNotConfirmedException", "User is not confirmed."),
    "reset-required": ("PasswordResetRequiredException", "Password reset required for the user"),
}


class CognitoServer(LoopbackServer):
    """Be a user pool with one user and one app client."""

    username: str = "jane@example.com"
    password: str = "Correct-Horse-7"  # noqa: S105  the fake user's
    user_id: str = "1957f847-f298-4f14-a031-7ffbe31aeb47"
    client_id: str = "4fakeclient0000000000000id"
    user_pool_id: str = "eu-west-1_FakePool1"

    token_life: float = 3600.0
    """Seconds that id and access tokens live; ``ExpiresIn``, rounded up."""
    id_token_life: float | None = None
    """Seconds that an id token lives, where that differs from *token_life*."""
    refresh_token_life: float | None = None
    """Seconds from the login on in which its tokens can be refreshed; ``None``: no end."""
    challenge_life: float = 180.0
    """Seconds in which a challenge can be answered."""
    opaque_tokens: bool = False
    """Whether id and access tokens are random text instead of JWTs."""
    rotation: bool = False
    """Whether each refresh gives a new refresh token and spends the old one."""
    grace: float = 0.0
    """Seconds after the first use in which a spent refresh token still works; then its use ends the whole login."""
    spends: Literal["read", "written"] = "read"
    """
    When rotation spends a refresh token: as soon as the request is read (before any hold or delay), or when the answer
    has been written, so that a client who hung up before keeps it.
    """
    strict_rotation: bool = False
    """Whether InitiateAuth refuses to refresh while rotation is on, as AWS says; the error code is a guess."""
    device_key: str | None = None
    """Remember devices: logins answer with ``NewDeviceMetadata``, refreshes need this ``DEVICE_KEY``."""
    user_state: UserState = "ok"
    """What is the matter with the user; a locked one can still refresh."""
    throttled: bool = False
    """Whether every Cognito call is answered with TooManyRequestsException."""
    error_spelling: ErrorSpelling = "plain"
    """
    How error codes are written: ``"plain"``, ``"namespaced"`` (``ns#Code`` and ``Code:uri``), or ``"header"`` (in no
    body).
    """

    wrong_types: set[WrongType]
    """What is wrong with each ``AuthenticationResult``."""

    def __init__(self, *, port: int, clock: Callable[[], float]) -> None:
        super().__init__(port=port, clock=clock)
        self.wrong_types = set()
        self._ledger = Ledger()
        self._required: list[Requirement] = []
        self._pending: dict[str, Pending] = {}
        self._operations: dict[str, Callable[[dict[str, JSON]], Answer]] = {
            "InitiateAuth": self._initiate_auth,
            "RespondToAuthChallenge": self._respond_to_challenge,
            "GetTokensFromRefreshToken": self._get_tokens,
            "RevokeToken": self._revoke_token,
        }

    @property
    def refreshable_logins(self) -> int:
        """How many logins have a refresh token that works: 1 where a family of tokens has survived."""
        return self._ledger.refreshable()

    def expire_all(self) -> None:
        """End all id and access tokens at once; refresh tokens live on."""
        self._ledger.expire_all()

    def revoke_all(self, *, refresh_only: bool = False) -> None:
        """End all refresh tokens at once, and all id and access tokens with them unless *refresh_only*."""
        self._ledger.revoke_all(refresh_only=refresh_only)

    def revoke(self, refresh_token: str) -> bool:
        """End the login that *refresh_token* belongs to, as RevokeToken does; tell whether there is one."""
        token = self._ledger.refresh_tokens.get(refresh_token)
        if token is None:
            return False
        token.login.end()
        return True

    def require(self, name: str, *, code: str = "123456", parameters: Mapping[str, str] | None = None) -> None:
        """
        Ask for one challenge more at each login, after those already required.

        *name* is Cognito's, or any other. The answer's key is that of the challenge (``SMS_MFA_CODE``), ``ANSWER`` for
        an unknown one; *code* is the right answer. ``NEW_PASSWORD_REQUIRED`` takes any of 8 characters, which becomes
        the user's, and is asked once; ``SELECT_MFA_TYPE`` asks for the chosen one next.
        """
        self._required.append(Requirement(name=name, code=code, parameters=parameters))

    def require_nothing(self) -> None:
        """Ask for no challenges any more."""
        self._required.clear()

    # What the server needs.

    def _cognito_kind(self, headers: Mapping[str, str], body: bytes) -> Kind:
        operation = headers.get("X-Amz-Target", "").removeprefix(TARGET)
        if operation in _KINDS:
            return _KINDS[operation]
        return "refresh" if as_map(decoded(body)).get("AuthFlow") in _REFRESH_FLOWS else "login"

    def _has_password(self, seen: Seen) -> bool:
        return seen.kind == "login" and "PASSWORD" in as_map(as_map(seen.json).get("AuthParameters"))

    def _at_once(self, seen: Seen) -> bool:
        return seen.kind == "refresh" and self.rotation and self.spends == "read"

    def _cognito(self, seen: Seen) -> Answer:
        operation = self._operations.get(seen.headers.get("X-Amz-Target", "").removeprefix(TARGET))
        if operation is None or seen.headers.get("Content-Type") != CONTENT_TYPE:
            return self._error("UnknownOperationException", "")
        given = as_map(seen.json)
        if not given:
            return self._error("SerializationException", "")
        if self.throttled:
            return self._error("TooManyRequestsException", "Rate exceeded")
        if given.get("ClientId") != self.client_id:
            return self._error("ResourceNotFoundException", "User pool client does not exist.")
        return operation(given)

    def _initiate_auth(self, given: dict[str, JSON]) -> Answer:
        parameters = as_map(given.get("AuthParameters"))
        match given.get("AuthFlow"):
            case "USER_PASSWORD_AUTH":
                return self._login(parameters)
            case "REFRESH_TOKEN" | "REFRESH_TOKEN_AUTH":
                if self.rotation and self.strict_rotation:
                    return self._error("NotAuthorizedException", "Refresh token auth is not enabled for the client.")
                return self._refresh(parameters.get("REFRESH_TOKEN"), parameters.get("DEVICE_KEY"))
            case _:
                return self._error("InvalidParameterException", "Auth flow not enabled for this client")

    def _get_tokens(self, given: dict[str, JSON]) -> Answer:
        return self._refresh(given.get("RefreshToken"), given.get("DeviceKey"))

    def _login(self, parameters: Mapping[str, JSON]) -> Answer:
        username, password = parameters.get("USERNAME"), parameters.get("PASSWORD")
        if not isinstance(username, str) or not isinstance(password, str):
            return self._error("InvalidParameterException", "Missing required parameter USERNAME or PASSWORD")
        if self.user_state != "ok":
            self.count.passwords_refused += 1
            return self._error(*_STATES[self.user_state])
        if username not in {self.username, self.user_id} or password != self.password:
            self.count.passwords_refused += 1
            return self._error("NotAuthorizedException", "Incorrect username or password.")
        return self._go_on(tuple(self._required))

    def _go_on(self, left: tuple[Requirement, ...]) -> Answer:
        if not left:
            return self._result(self._ledger.open(self._clock(), self.device_key), first=True)
        session = f"session-{secrets.token_urlsafe(48)}"
        self.issued.append(session)
        self._pending[session] = Pending(left=left, ends_at=self._clock() + self.challenge_life)
        body = {
            "ChallengeName": left[0].name,
            "ChallengeParameters": left[0].shown(self.user_id),
            "Session": session,
        }
        return self._success(body)

    def _respond_to_challenge(self, given: dict[str, JSON]) -> Answer:
        answers = as_map(given.get("ChallengeResponses"))
        session = str(given.get("Session"))
        pending = self._pending.get(session)
        if pending is None or self._clock() >= pending.ends_at:
            return self._error("NotAuthorizedException", "Invalid session for the user.")
        if given.get("ChallengeName") != pending.left[0].name:
            return self._error("InvalidParameterException", "Challenge name does not match the session")
        if answers.get("USERNAME") not in {self.username, self.user_id}:
            return self._error("NotAuthorizedException", "Invalid session for the user.")
        return self._judge(session, pending, answers)

    def _judge(self, session: str, pending: Pending, answers: Mapping[str, JSON]) -> Answer:
        asked, *rest = pending.left
        verdict = asked.verdict(answers)
        if verdict == "unfit":
            return self._error("InvalidParameterException", "Missing required parameter or unknown choice")
        if verdict == "wrong":
            if asked.name == "NEW_PASSWORD_REQUIRED":
                return self._error("InvalidPasswordException", "Password not long enough")
            return self._error("CodeMismatchException", "Invalid code received for user")
        del self._pending[session]
        self.count.challenges_answered += 1
        if asked.name == "NEW_PASSWORD_REQUIRED":
            self.password = answers["NEW_PASSWORD"]
            self._required[:] = [requirement for requirement in self._required if requirement is not asked]
        if asked.name == "SELECT_MFA_TYPE":
            rest.insert(0, Requirement(name=answers["ANSWER"], code=asked.code))
        return self._go_on(tuple(rest))

    def _refresh(self, value: JSON, device_key: JSON) -> Answer:
        now = self._clock()
        token = self._ledger.refresh_tokens.get(value) if isinstance(value, str) else None
        if token is None or device_key != token.login.device_key:
            return self._error("NotAuthorizedException", "Invalid Refresh Token.")
        if self.user_state not in {"ok", "locked"}:
            return self._error(*_STATES[self.user_state])
        if not token.login.refreshable:
            return self._error("NotAuthorizedException", "Refresh Token has been revoked")
        if self.refresh_token_life is not None and now >= token.login.at + self.refresh_token_life:
            return self._error("NotAuthorizedException", "Refresh Token has expired")
        if token.spent_at is not None:
            if now >= token.spent_at + self.grace:
                self.count.reuse += 1
                token.login.end()
                return self._error("RefreshTokenReuseException", "Refresh token has been used before")
            self.count.grace_uses += 1
        return self._result(token.login, first=False, old=token)

    def _revoke_token(self, given: dict[str, JSON]) -> Answer:
        self.revoke(str(given.get("Token")))
        return self._success(b"")

    # How it answers.

    def _result(self, login: Login, *, first: bool, old: RefreshToken | None = None) -> Answer:
        result: dict[str, JSON] = {
            "AccessToken": self._bearer("access", login, self.token_life),
            "ExpiresIn": math.ceil(self.token_life),
            "IdToken": self._bearer("id", login, self.token_life if self.id_token_life is None else self.id_token_life),
            "TokenType": "Bearer",
        }
        if first or self.rotation:
            result["RefreshToken"] = self._ledger.new_refresh_token(login)
            self.issued.append(result["RefreshToken"])
        if first and self.device_key is not None:
            result["NewDeviceMetadata"] = {"DeviceKey": self.device_key, "DeviceGroupKey": "-fake"}
        for wrong in sorted(self.wrong_types):
            WRONG_TYPES[wrong](result)
        body: dict[str, JSON] = {"AuthenticationResult": result} if result else {}
        body["ChallengeParameters"] = {}
        answer = self._success(body)
        if old is None or not self.rotation:
            return answer
        if self.spends == "written":
            return attrs.evolve(answer, written=lambda: old.spend(self._clock()))
        old.spend(self._clock())
        return answer

    def _bearer(self, use: TokenUse, login: Login, life: float) -> str:
        now = self._clock()
        audience = {"aud": self.client_id} if use == "id" else {"client_id": self.client_id}
        claims = {
            "sub": self.user_id,
            "iss": f"https://cognito-idp.{self.user_pool_id.partition('_')[0]}.amazonaws.com/{self.user_pool_id}",
            "token_use": use,
            **audience,
            **times(now, life),
        }
        value = f"{use}-{secrets.token_urlsafe(32)}" if self.opaque_tokens else jwt(claims)
        self._ledger.enter(value, use, login, now + life)
        self.issued.append(value)
        return value

    def _success(self, body: JSON) -> Answer:
        return Answer(body=body, headers=(("x-amzn-RequestId", self._request_id()),), content_type=CONTENT_TYPE)

    def _error(self, code: str, message: str) -> Answer:
        body, kind = SPELLINGS[self.error_spelling](code)
        headers = (
            ("x-amzn-RequestId", self._request_id()),
            ("x-amzn-ErrorType", kind),
            ("x-amzn-ErrorMessage", message),
        )
        return Answer(status=400, body=body | {"message": message}, headers=headers, content_type=CONTENT_TYPE)
