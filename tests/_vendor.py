"""A vendor inside the test's own process: a flow, and a `send` with switches, gates and counters."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec
from yarl import URL

from vendorauth import (
    AuthServiceUnavailable,
    BaseLoginFlow,
    Challenge,
    Credentials,
    Flow,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    ProtocolError,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    Request,
    Response,
    Token,
    TokenEvent,
    TokenSource,
    TransportError,
)
from vendorauth.testing import ManualClock

JANE = PasswordCredentials("jane", "s3cret")
WRONG = PasswordCredentials("jane", "wr0ng")
URL_OF_VENDOR = URL("https://vendor.example")


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)


@attrs.define
class Gate:
    """Hold requests of one kind until it is opened."""

    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    opened: asyncio.Event = attrs.field(factory=asyncio.Event)

    def open(self) -> None:
        """Let all through."""
        self.opened.set()


class VendorFlow(BaseLoginFlow):
    """Speak with `Vendor`; *account* is the name in the store."""

    def __init__(self, account: str = "jane@vendor") -> None:
        self.account = account
        self.base_url = URL_OF_VENDOR

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Send the password, or the configured refresh token."""
        if isinstance(credentials, RefreshTokenCredentials):
            return (yield from self._renew(credentials.refresh_token, now, "login-by-refresh-token"))
        return (yield from self._outcome("login", {"password": credentials.password}, now))

    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        """Send the code."""
        return (yield from self._outcome("answer", dict(answers), now))

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """Send the refresh token."""
        if token.refresh_token is None:
            message = "no refresh token"
            raise ReauthenticationRequired(message)
        return (yield from self._renew(token.refresh_token, now, "refresh"))

    def headers(self, token: Token) -> Mapping[str, str]:
        """Prove the token."""
        return {"Authorization": token.value}

    def absorb(self, token: Token, response: Response, *, now: datetime) -> Token:
        """Take a rolled value out of a header."""
        rolled = response.headers.get("Rolled")
        return attrs.evolve(token, value=rolled) if rolled and response.ok else token

    def revoke(self, token: Token) -> Flow[None]:
        """Tell the vendor."""
        response = yield _request("revoke", {"refresh": token.refresh_token})
        if not response.ok:
            message = "POST /revoke failed"
            raise AuthServiceUnavailable(message)

    def _outcome(self, kind: str, body: Any, now: datetime) -> Flow[Token | Challenge]:
        response = yield _request(kind, body)
        _check(response, InvalidCredentials)
        if "challenge" in response.json:
            ends = now + timedelta(seconds=180)
            return Challenge(name=response.json["challenge"], account=self.account, fields=("CODE",), expires_at=ends)
        return _token(response.json, None, now)

    def _renew(self, refresh_token: str, now: datetime, kind: str) -> Flow[Token]:
        response = yield _request(kind, {"refresh": refresh_token})
        _check(response, ReauthenticationRequired)
        return _token(response.json, refresh_token, now)


def _request(kind: str, body: Any) -> Request:
    return Request("POST", URL_OF_VENDOR / kind, {}, msgspec.json.encode(body))


def _check(response: Response, refused: type[InvalidCredentials | ReauthenticationRequired]) -> None:
    if response.status == 400:
        message = "refused"
        raise refused(message)
    if response.status >= 500:
        retry_after = response.headers.get("Retry-After")
        message = f"POST: {response.status}"
        raise AuthServiceUnavailable(message, None, None, float(retry_after) if retry_after else None)
    if not isinstance(response.json, dict):
        message = "POST: not readable"
        raise ProtocolError(message)


def _token(body: Mapping[str, Any], refresh_token: str | None, now: datetime) -> Token:
    life = body["life"]
    return Token(
        value=body["token"],
        issued_at=now,
        expires_at=None if life is None else now + timedelta(seconds=life),
        refresh_token=body.get("refresh") or refresh_token,
    )


class Vendor:
    """Issue tokens, and count; *script* queues what happens to the next requests of a kind instead."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.count: Counter[str] = Counter()
        self.script: defaultdict[str, deque[Any]] = defaultdict(deque)
        self.gates: dict[str, Gate] = {}
        self.passwords = {JANE.password}
        self.codes = {"123456"}
        self.refresh_tokens: set[str] = {"configured"}
        self.spent: list[str] = []
        self.life: float | None = 3600.0
        self.rotates = False
        self.gives_refresh_token = True
        self.asks = ""

    def gate(self, kind: str) -> Gate:
        """Hold requests of *kind*."""
        self.gates[kind] = Gate()
        return self.gates[kind]

    async def send(self, request: Request) -> Response:
        """Answer *request* as scripted, or as a vendor does."""
        kind = request.url.path.strip("/")
        self.count[kind] += 1
        if (gate := self.gates.get(kind)) is not None:
            gate.arrived.set()
            await gate.opened.wait()
        scripted = self.script[kind].popleft() if self.script[kind] else None
        if isinstance(scripted, Response):
            return scripted
        if isinstance(scripted, Exception):
            raise scripted
        response = self._respond(kind, msgspec.json.decode(request.body))
        if scripted == "lost":
            message = f"{request.label}: the connection was lost"
            raise TransportError(message)
        if scripted == "unreadable":
            return Response(200, {}, b"<html>")
        return response

    def _respond(self, kind: str, body: Mapping[str, str]) -> Response:
        if kind == "revoke":
            self.refresh_tokens.discard(body["refresh"])
            return _answer(200, {})
        if kind == "login":
            if body["password"] not in self.passwords:
                return _answer(400, {})
            return _answer(200, {"challenge": self.asks}) if self.asks else self._issue(family=True)
        if kind == "answer":
            return self._issue(family=True) if body["CODE"] in self.codes else _answer(400, {})
        return self._refresh(body["refresh"])

    def _refresh(self, refresh_token: str) -> Response:
        if refresh_token not in self.refresh_tokens:
            self.spent.append(refresh_token)
            return _answer(400, {})
        if self.rotates:
            self.refresh_tokens.discard(refresh_token)
        return self._issue(family=self.rotates)

    def _issue(self, *, family: bool) -> Response:
        self.count["issued"] += 1
        number = self.count["issued"]
        body: dict[str, Any] = {"token": f"token-{number}", "life": self.life}
        if family and self.gives_refresh_token:
            body["refresh"] = f"refresh-{number}"
            self.refresh_tokens.add(body["refresh"])
        return _answer(200, body)


def _answer(status: int, body: Any) -> Response:
    return Response(status, {}, msgspec.json.encode(body))


@attrs.define
class World:
    """One vendor, one store, one clock, and the events that were told."""

    clock: ManualClock = attrs.field(factory=ManualClock)
    store: Any = attrs.field(factory=MemoryTokenStore)
    events: list[TokenEvent] = attrs.field(factory=list)
    vendor: Vendor = attrs.field()

    @vendor.default
    def _make_vendor(self) -> Vendor:
        return Vendor(self.clock)

    def source(self, credentials: Any = JANE, *, account: str = "jane@vendor", **options: Any) -> TokenSource:
        """Make a token source of this world."""
        given = {"store": self.store, "send": self.vendor.send, "clock": self.clock, "on_event": self.events.append}
        return TokenSource(VendorFlow(account), credentials, **{**given, **options})

    def told(self, kind: type[Any]) -> list[Any]:
        """List the events of *kind*."""
        return [event for event in self.events if isinstance(event, kind)]
