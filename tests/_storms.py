"""What the tests of storms share: hours on a manual clock, a vendor whose every answer may be trouble, and ledgers."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Self

import attrs
import msgspec
import pytest
from yarl import URL

from _stores import WrappedStore
from _vendor import JANE, URL_OF_VENDOR, Vendor, VendorFlow, World
from vendorauth import (
    ApiError,
    AuthServiceUnavailable,
    Challenge,
    Credentials,
    Flow,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    Request,
    Response,
    Token,
    TokenSource,
    VendorAuthError,
)
from vendorauth._calls import Call
from vendorauth._sender import Sender
from vendorauth.client import PlainJson
from vendorauth.testing import ManualClock

HOUR = 3600.0

MANY = 1_000 if sys.flags.dev_mode else 10_000
"""A crowd; a smaller one in dev mode, in which every task costs several times as much."""

REFUSED = 4
"""Logins in any hour with a refused password: at 0, 5, 15 and 35 minutes; the next would come at 75."""

PASSING = 127
"""Exchanges in any hour of an outage: 7 while the pauses grow to 30 s and more (60 s less jitter), then one in 30 s."""

FUTILE = 61
"""Renewals in any hour for refusals with one status: one per `futile_pause` of a minute, and the first."""

BY_TURNS = 1830
"""Renewals in any hour whatever the API says: 30 per `futile_pause`, and the 30 of the minute that has begun."""

Weather = Callable[[str], Response | Exception | None]


@pytest.fixture
def cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the simulated hours the slow hash of real refusal records."""

    async def digest(credentials: Credentials, salt: str) -> str:
        return hashlib.sha256(msgspec.json.encode([attrs.astuple(credentials), salt])).hexdigest()

    monkeypatch.setattr("vendorauth.engine.refusals._digest", digest)


@attrs.define
class Ledger:
    """Write down when what was asked."""

    clock: ManualClock
    times: dict[str, list[float]] = attrs.field(factory=dict)

    def note(self, kind: str) -> None:
        """Count one of *kind* now."""
        self.times.setdefault(kind, []).append(self.clock.monotonic())

    def of(self, *kinds: str) -> list[float]:
        """Give the times of these kinds (none named: of all), in order."""
        return sorted(time for kind in kinds or [*self.times] for time in self.times.get(kind, []))

    def busiest_hour(self, *kinds: str) -> int:
        """Give how many came in the worst hour, wherever it begins."""
        times = self.of(*kinds)
        return max((bisect_left(times, begun + HOUR) - first for first, begun in enumerate(times)), default=0)


class StormyVendor(Vendor):
    """Be a vendor whose *weather* says what becomes of a request of a kind; ``None``: what a vendor does."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.ledger = Ledger(clock)
        self.weather: Weather = lambda _: None

    async def send(self, request: Request) -> Response:
        """Answer *request*, once the loop has come round."""
        kind = request.url.path.strip("/")
        self.ledger.note(kind)
        await asyncio.sleep(0)
        answer = self.weather(kind)
        if isinstance(answer, Exception):
            raise answer
        return answer or await super().send(request)


@attrs.define
class Storm(World):
    """One vendor, its weather, and those who call."""

    vendor: StormyVendor = attrs.field()

    @vendor.default
    def _make_vendor(self) -> StormyVendor:
        return StormyVendor(self.clock)

    @property
    def ledger(self) -> Ledger:
        """What the vendor was asked."""
        return self.vendor.ledger

    async def hours(self, hours: float, tick: float, callers: int, call: Callable[[], Awaitable[Any]]) -> Counter[str]:
        """Let *callers* call at once every *tick* seconds for *hours*; count what they got by the type's name."""
        got: Counter[str] = Counter()
        for _ in range(round(hours * HOUR / tick)):
            got += await crowd(callers, call)
            self.clock.advance(tick)
        return got


async def crowd(callers: int, call: Callable[[], Awaitable[Any]]) -> Counter[str]:
    """Let *callers* call at once; count what they got. Without asyncio's debug mode, which makes a task ten times dearer."""
    asyncio.get_running_loop().set_debug(False)
    calls = asyncio.gather(*(call() for _ in range(callers - 1)), return_exceptions=True) if callers > 1 else None
    got = Counter([await _outcome(call)])
    if calls is not None:
        got.update(type(result).__name__ for result in await calls)
    await asyncio.sleep(0)  # for what goes on in the background
    return got


async def _outcome(call: Callable[[], Awaitable[Any]]) -> str:
    try:
        return type(await call()).__name__
    except (VendorAuthError, TimeoutError) as error:
        return type(error).__name__


class Sharing(WrappedStore):
    """Be another process's object for the same store."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__()
        self.inner = inner


@attrs.define
class Raw:
    """Be what the sender sees of aiohttp's response."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether it says so."""
        return self.status < 400

    async def read(self) -> bytes:
        """Have an empty body."""
        return b"{}"

    def close(self) -> None:
        """Be closed."""

    release = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Be closed."""


class ApiOfStorm:
    """Be an API in this process, behind the real sender; *answer* tells a request's status by path and headers."""

    def __init__(self, storm: Storm, source: TokenSource, answer: Callable[[str, Mapping[str, str]], int]) -> None:
        self.ledger = Ledger(storm.clock)
        self.answer = answer
        self.gate: asyncio.Event | None = None
        sessions: Any = self
        self._sender = Sender(source, sessions, PlainJson(), storm.clock, retries=0)

    async def send(self, method: str, url: URL, headers: Mapping[str, str], body: object) -> Raw:
        """Answer, as `Sessions` would."""
        self.ledger.note(url.path)
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        return Raw(self.answer(url.path, headers))

    async def get(self, path: str, seconds: float = 30.0) -> int:
        """Send a GET, and give the status of success."""
        call = Call("GET", URL_OF_VENDOR / path.strip("/"), None, None, replayable=True)
        return (await self._sender.send(call, seconds)).response.status

    async def status(self, path: str) -> int:
        """Send a GET, and give its status whatever it is."""
        try:
            return await self.get(path)
        except ApiError as error:
            return error.status


class PermissionFlow(VendorFlow):
    """Take 403 for a refused token as well, as both vendors' gateways make necessary."""

    def rejects(self, response: Response) -> bool:
        """Take 401 and 403 for a refusal."""
        return response.status in {401, 403}


class EveryRequestFlow(PermissionFlow):
    """Send the password with every request; `refresh` asks the vendor whether it is right."""

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Put the credentials into a token."""
        return Token(value="", issued_at=now, details=attrs.asdict(credentials))
        yield  # a generator, like every flow

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """Ask."""
        response = yield Request("POST", URL_OF_VENDOR / "login", {}, msgspec.json.encode(dict(token.details)))
        if response.status == 400:
            message = "refused"
            raise InvalidCredentials(message)
        if not response.ok:
            message = "POST /login: later"
            raise AuthServiceUnavailable(message)
        return attrs.evolve(token, issued_at=now)

    def headers(self, token: Token) -> Mapping[str, str]:
        """Give the password."""
        return {"Authorization": str(token.details["password"])}


def credentialed(storm: Storm, credentials: Any, **options: Any) -> TokenSource:
    """Make a source that sends the credentials with every request."""
    given = {"store": storm.store, "send": storm.vendor.send, "clock": storm.clock, **options}
    return TokenSource(EveryRequestFlow(), credentials, **given)


def right_password(_: str, headers: Mapping[str, str]) -> int:
    """Answer as an API that is sent Jane's password with every request."""
    return 200 if headers["Authorization"] == JANE.password else 401


def wrong_again() -> PasswordCredentials:
    """Make the wrong credentials anew, as another process does."""
    return PasswordCredentials("jane", "wr0ng")


def first(times: Iterable[float], after: float) -> float:
    """Give the first of *times* that is not before *after*."""
    return min(time for time in times if time >= after)
