"""Keep the books of a fake Cognito: who holds which token, and for how long."""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
import uuid
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, final

import attrs
import msgspec

from vendorauth.tokens import JSON

TokenUse: TypeAlias = Literal["id", "access"]

_HEADER: Final = {"alg": "RS256", "kid": "fake", "typ": "JWT"}


@attrs.define(eq=False, kw_only=True)
class Login:
    """Be one login, with all the tokens that ever come from it."""

    at: float
    device_key: str | None = None
    refreshable: bool = True
    living: bool = True

    def end(self) -> None:
        """Make every token that came from it worthless."""
        self.refreshable = self.living = False


@attrs.define(eq=False)
class RefreshToken:
    """Be one refresh token; *spent_at* is ``None`` until it was exchanged for its successor."""

    login: Login
    spent_at: float | None = None

    def spend(self, now: float) -> None:
        """Note when it was exchanged first."""
        if self.spent_at is None:
            self.spent_at = now


@attrs.frozen
class _Bearer:
    login: Login
    use: TokenUse
    ends_at: float


@final
class Ledger:
    """Issue tokens and know which of them live."""

    def __init__(self) -> None:
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self._bearers: dict[str, _Bearer] = {}
        self._logins: list[Login] = []

    def open(self, now: float, device_key: str | None) -> Login:
        """Begin a login."""
        login = Login(at=now, device_key=device_key)
        self._logins.append(login)
        return login

    def refreshable(self) -> int:
        """Count the logins that can still be refreshed."""
        return sum(login.refreshable for login in self._logins)

    def enter(self, value: str, use: TokenUse, login: Login, ends_at: float) -> None:
        """Let *value* live until *ends_at*."""
        self._bearers[value] = _Bearer(login, use, ends_at)

    def new_refresh_token(self, login: Login) -> str:
        """Make one more refresh token of *login*."""
        value = f"refresh-{secrets.token_urlsafe(32)}"
        self.refresh_tokens[value] = RefreshToken(login)
        return value

    def lives(self, value: str, use: TokenUse, now: float) -> bool:
        """Tell whether the API takes *value*."""
        bearer = self._bearers.get(value)
        return bearer is not None and bearer.use == use and bearer.login.living and now < bearer.ends_at

    def expire_all(self) -> None:
        """End all id and access tokens."""
        self._bearers.clear()

    def revoke_all(self, *, refresh_only: bool) -> None:
        """End all refresh tokens, and what came from them unless *refresh_only*."""
        for login in self._logins:
            login.refreshable = False
            login.living = login.living and refresh_only


def jwt(claims: Mapping[str, JSON]) -> str:
    """Write *claims* as a JWT, with a signature that only looks like one."""
    body = ".".join(_base64(msgspec.json.encode(part)) for part in (_HEADER, claims))
    return f"{body}.{_base64(hashlib.sha256(body.encode()).digest())}"


def times(now: float, life: float) -> dict[str, JSON]:
    """Give the claims *iat* and *exp*, *life* seconds apart; integers where *life* is one."""
    begin = math.floor(now)
    end = begin + life
    return {"iat": begin, "exp": int(end) if end == int(end) else end, "jti": str(uuid.uuid4())}


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
