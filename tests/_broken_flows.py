"""Login flows that each break one promise."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import msgspec
from yarl import URL

from vendorauth import (
    BaseLoginFlow,
    Challenge,
    ConfigurationError,
    Credentials,
    Flow,
    InvalidCredentials,
    PasswordCredentials,
    ReauthenticationRequired,
    Request,
    Response,
    Token,
)
from vendorauth.flows import Seconds, raise_for_refusal, read, token_from
from vendorauth.testing.conformance import FlowScript

PASSWORD = "a-password-of-jane"
BASE = URL("https://vendor.example/v1")


@attrs.frozen(kw_only=True)
class Answer:
    """What the vendor answers."""

    token: str | None = attrs.field(default=None, repr=False)
    refresh: str | None = attrs.field(default=None, repr=False)
    asks: str | None = None
    life: Seconds = 3600  # type: ignore[assignment]


class Whole(BaseLoginFlow):
    """Break nothing."""

    def __init__(self) -> None:
        self.account = "jane"
        self.base_url = BASE

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        if not isinstance(credentials, PasswordCredentials):
            message = "a password, please"
            raise ConfigurationError(message)
        request = self.ask(credentials)
        return self.outcome((yield request), request, now=now)

    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        if challenge.account != self.account:
            message = "not mine"
            raise ConfigurationError(message)
        request = Request.json(BASE / "answer", {**answers, **challenge.hidden})
        return self.outcome((yield request), request, now=now)

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        if token.refresh_token is None:
            message = "no refresh token"
            raise ReauthenticationRequired(message)
        request = Request.json(BASE / "refresh", {"refresh": token.refresh_token})
        return self.renewed((yield request), request, token, now=now)

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"Authorization": token.value}

    def revoke(self, token: Token) -> Flow[None]:
        request = Request.json(BASE / "revoke", {"refresh": token.refresh_token})
        self.check((yield request), request, ReauthenticationRequired, datetime.min.replace(tzinfo=UTC))

    def ask(self, credentials: PasswordCredentials) -> Request:
        return Request.json(BASE / "login", {"user": credentials.username, "password": credentials.password})

    def check(self, response: Response, request: Request, refused: Any, now: datetime) -> None:
        raise_for_refusal(response, request.label, refused, now=now)

    def read(self, response: Response, request: Request) -> Answer:
        return read(response, Answer, request.label)

    def outcome(self, response: Response, request: Request, *, now: datetime) -> Token | Challenge:
        self.check(response, request, InvalidCredentials, now)
        answer = self.read(response, request)
        if answer.asks is not None:
            return self.challenge(now)
        return self.token(answer, request, now)

    def challenge(self, now: datetime) -> Challenge:
        ends = now + timedelta(minutes=3)
        return Challenge(name="CODE", account="jane", fields=("CODE",), expires_at=ends, hidden={"user": "jane"})

    def token(self, answer: Answer, request: Request, now: datetime) -> Token:
        token = token_from(answer.token or "", request.label, now=now, expires_in=answer.life)
        return attrs.evolve(token, refresh_token=answer.refresh or None)

    def renewed(self, response: Response, request: Request, old: Token, *, now: datetime) -> Token:
        self.check(response, request, ReauthenticationRequired, now)
        token = self.token(self.read(response, request), request, now)
        return attrs.evolve(token, refresh_token=token.refresh_token or old.refresh_token)


def answered(status: int = 200, **body: object) -> Response:
    """Answer with JSON."""
    return Response(status, {}, msgspec.json.encode(body))


def script(kind: type[Whole]) -> FlowScript:
    """Try *kind*."""
    return FlowScript(
        make=kind,
        credentials=PasswordCredentials("jane", PASSWORD),
        login=answered(token="token-of-jane-1", refresh="refresh-of-jane-1"),
        login_refused=answered(400, error="invalid_grant"),
        refresh=answered(token="token-of-jane-2"),
        refresh_refused=answered(400, error="invalid_grant"),
        asked=answered(asks="CODE"),
        answers={"CODE": "code-of-jane"},
        answered=answered(token="token-of-jane-3"),
        revoke=Response(204),
    )


def tokens(**changed: Any) -> type[Whole]:
    """Give tokens of which this is *changed*."""

    class Changing(Whole):
        def token(self, answer: Answer, request: Request, now: datetime) -> Token:
            return attrs.evolve(super().token(answer, request, now), **changed)

    return Changing


def called(account: str = "jane", base_url: str = str(BASE)) -> type[Whole]:
    """Be called this, and be there."""

    class Called(Whole):
        def __init__(self) -> None:
            self.account = account
            self.base_url = URL(base_url)

    return Called


def asking(method: str = "POST", url: str = str(BASE), headers: str = "", body: str = "") -> type[Whole]:
    """Log in by this request, of which each part holds the password where it says ``{}``."""

    class Asking(Whole):
        def ask(self, credentials: PasswordCredentials) -> Request:
            parts = [part.format(credentials.password) for part in (url, headers, body)]
            return Request(method, parts[0], {"X": parts[1]}, parts[2].encode(errors="replace"))

    return Asking


class OfNoAccount(Whole):
    """Be another account each time."""

    def __init__(self) -> None:
        super().__init__()
        self.account = str(id(self))


class LosesTheRefreshToken(Whole):
    def renewed(self, response: Response, request: Request, old: Token, *, now: datetime) -> Token:
        self.check(response, request, ReauthenticationRequired, now)
        return self.token(self.read(response, request), request, now)


class GivesNoToken(Whole):
    def renewed(self, response: Response, request: Request, old: Token, *, now: datetime) -> Token:
        return self.challenge(now)  # type: ignore[return-value]  # broken


class RefreshesWithNothing(Whole):
    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        request = Request.json(BASE / "refresh", {"refresh": token.refresh_token})
        return self.renewed((yield request), request, token, now=now)


def reading(call: Any) -> type[Whole]:
    """Do *call* before a login."""

    class Reading(Whole):
        def ask(self, credentials: PasswordCredentials) -> Request:
            call()
            return super().ask(credentials)

    return Reading


READINGS: dict[str, type[Whole]] = {
    "datetime.now": reading(lambda: datetime.now(UTC)),
    "time.time_ns": reading(time.time_ns),
    "time.monotonic": reading(time.monotonic),
    "Random.random": reading(random.random),
    "posix.urandom": reading(lambda: os.urandom(1)),
    "io.open": reading(Path(os.devnull).read_bytes),
    "os._Environ.__getitem__": reading(lambda: os.environ.get("HOME")),
}


class EndsOnADay(Whole):
    """Believe in a date that somebody wrote down."""

    def token(self, answer: Answer, request: Request, now: datetime) -> Token:
        return attrs.evolve(super().token(answer, request, now), expires_at=datetime(2100, 1, 1, tzinfo=UTC))


class CountsItsRequests(Whole):
    """Number requests, for the whole process."""

    numbers = itertools.count()

    def ask(self, credentials: PasswordCredentials) -> Request:
        return Request.json(BASE / "login", {"number": next(self.numbers)})


class HoldsAFunction(Whole):
    """Break nothing either."""

    __slots__: str = "name"  # noqa: PLC0205  a text will do

    def __init__(self) -> None:
        super().__init__()
        self.name = lambda: "jane"


class RemembersTheToken(Whole):
    def token(self, answer: Answer, request: Request, now: datetime) -> Token:
        self.last = super().token(answer, request, now)
        return self.last


class CountsFailures(Whole):
    """Keep a number where `vars` does not see it."""

    __slots__ = ("failures",)

    def check(self, response: Response, request: Request, refused: Any, now: datetime) -> None:
        if not response.ok:
            self.failures = getattr(self, "failures", 0) + 1
        super().check(response, request, refused, now)


class RemembersWhoLoggedIn(Whole):
    """Keep a secret in a module's or a class's variable."""

    last: PasswordCredentials | None = None

    def ask(self, credentials: PasswordCredentials) -> Request:
        type(self).last = credentials
        return super().ask(credentials)

    def token(self, answer: Answer, request: Request, now: datetime) -> Token:
        assert self.last is not None
        first = self.last.password == PASSWORD
        return attrs.evolve(super().token(answer, request, now), details={} if first else {"first": False})


def proving(headers: Any) -> type[Whole]:
    """Prove a token by what *headers* makes of it."""

    class Proving(Whole):
        def headers(self, token: Token) -> Mapping[str, str]:
            return headers(token)  # type: ignore[no-any-return]

    return Proving


_numbers = itertools.count()
NUMBERED = proving(lambda token: {"Authorization": token.value, "X-Number": str(next(_numbers))})
OF_A_GENERATION = proving(lambda token: {"Authorization": f"{token.generation} {token.value}"})
CHANCE = proving(lambda token: {"Authorization": token.value, "X-Nonce": str(random.random())})
TWO_LINES = proving(lambda token: {"Authorization": f"{token.value}\r\n"})
NOTHING = proving(lambda token: {})


class EncodesWithoutLooking(Whole):
    def ask(self, credentials: PasswordCredentials) -> Request:
        return Request("POST", BASE, {}, credentials.password.encode())


class TakesAnyKind(Whole):
    def login(self, credentials: Any, *, now: datetime) -> Flow[Token | Challenge]:
        request = self.ask(credentials)
        return self.outcome((yield request), request, now=now)


class SaysWhatItRefuses(Whole):
    def ask(self, credentials: PasswordCredentials) -> Request:
        if not credentials.password.isascii():
            message = f"{credentials.password} is not ASCII"
            raise ConfigurationError(message)
        return super().ask(credentials)


class CallsItARefusal(Whole):
    """Take credentials that can't be sent for refused ones."""

    def ask(self, credentials: PasswordCredentials) -> Request:
        if not credentials.password.isascii():
            message = "not ASCII"
            raise InvalidCredentials(message)
        return super().ask(credentials)
