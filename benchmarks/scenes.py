"""Play the same scenes with every client that keeps a token: a crowd at expiry, an outage, a steady load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

import attrs
import msgspec
from authority import Orders, Seen
from measuring import CLIENT_CORE, Operation, pin
from yarl import URL

from vendorauth import (
    ApiClient,
    AuthServiceUnavailable,
    BaseLoginFlow,
    Credentials,
    Flow,
    PasswordCredentials,
    Request,
    Token,
)

T = TypeVar("T")

PATH: Final = "/2016-08-19/account-settings/"
TOKEN_PATH: Final = "/token"  # noqa: S105  no token
EXPIRED: Final = 2.1
"""Seconds after which a token of a second counts as dead, to clients that know only whole seconds, too."""
LOAD: Final = 4.0
"""Seconds of a steady load."""
WARM: Final = 100
"""Requests at once before the clock runs: as many connections as aiohttp's pool has."""


@attrs.frozen
class Keeper:
    """
    Be a client that keeps a token.

    *opened*: given the address, logs in at the first request at the latest. *margin*: so many seconds before its end it
    takes a token for expired. *expiry*: the life of a token, and after how many seconds of it something happens, where
    that is not *margin* seconds before its end. *most*: callers that a crowd of them can have.
    """

    name: str
    how: str
    opened: Callable[[str], AbstractAsyncContextManager[Operation]]
    margin: int = 0
    expiry: tuple[int, int] | None = None
    most: int = 10_000
    rounds: int = 3

    def life_and_due(self) -> tuple[int, int]:
        """Give the life of a token that it renews soon, and after how many seconds."""
        return self.expiry or (self.margin + 2, 2)


@attrs.frozen
class Stage:
    """Reach the server at *url*, and order by *pipe* what it does."""

    pipe: Connection = attrs.field(repr=False)
    url: str

    def order(self, **orders: Any) -> Seen:
        """Give orders, and get what was seen since the last."""
        self.pipe.send(Orders(**orders))
        seen: Seen = self.pipe.recv()
        return seen

    @asynccontextmanager
    async def warm(self, keeper: Keeper, life: int) -> AsyncGenerator[Operation]:
        """Open *keeper*, with a token of *life* seconds and connections that are used to it."""
        self.order(life=life)
        async with keeper.opened(self.url) as operation:
            await operation()
            await at_once(operation, WARM)
            yield operation


@attrs.frozen
class Burst:
    """Be what became of requests at once: in how many *seconds*, and how many *failed*."""

    seconds: float
    failed: int


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """Call *function* in a new process, pinned."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=pin, initargs=(CLIENT_CORE,)) as process:
        return process.submit(function, *arguments).result()


async def at_once(operation: Operation, number: int) -> Burst:
    """Do *operation* *number* times at once."""
    tasks = [operation() for _ in range(number)]
    begun = time.perf_counter()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    seconds = time.perf_counter() - begun
    return Burst(seconds, sum(isinstance(result, Exception) for result in results))


async def crowd_with_token(stage: Stage, keeper: Keeper, number: int) -> Burst:
    """Let *number* call at once while the token is fresh."""
    async with stage.warm(keeper, 36_000) as operation:
        return await at_once(operation, number)


async def crowd_at_expiry(
    stage: Stage, keeper: Keeper, number: int, *, status: int = 200, delay: float = 0.05, wait: float = EXPIRED
) -> tuple[Burst, Seen]:
    """Let *number* call at once when the token has expired; a renewal takes *delay* seconds and gets *status*."""
    async with stage.warm(keeper, keeper.margin + 1) as operation:
        await asyncio.sleep(wait)
        stage.order(delay=delay, status=status)
        burst = await at_once(operation, number)
        return burst, stage.order()


async def load_at_expiry(stage: Stage, keeper: Keeper, per_second: int, *, delay: float) -> tuple[list[float], Seen]:
    """Send at a steady rate from a second before the renewal is due until three after; a renewal takes *delay* seconds."""
    life, due = keeper.life_and_due()
    async with stage.warm(keeper, life) as operation:
        await asyncio.sleep(due - 1)
        stage.order(delay=delay)
        latencies = await steady(operation, per_second, LOAD)
        return latencies, stage.order()


async def load_with_token(stage: Stage, keeper: Keeper, per_second: int) -> list[float]:
    """Send at a steady rate while the token is fresh."""
    async with stage.warm(keeper, 36_000) as operation:
        return await steady(operation, per_second, LOAD)


async def steady(operation: Operation, per_second: int, seconds: float) -> list[float]:
    """Start *operation* so often, whether or not the earlier ones are done; give what each took since it was due, in s."""
    loop, latencies = asyncio.get_running_loop(), list[float]()

    async def one(due: float) -> None:
        await operation()
        latencies.append(loop.time() - due)

    begun, tasks = loop.time(), list[asyncio.Task[None]]()
    for number in range(round(per_second * seconds)):
        due = begun + number / per_second
        await asyncio.sleep(due - loop.time())
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return latencies


class OAuthFlow(BaseLoginFlow):
    """Log in and refresh at one endpoint, as OAuth 2 has it."""

    def __init__(self, url: URL, account: str) -> None:
        self.base_url = url
        self.account = account

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token]:
        """Send the password."""
        assert isinstance(credentials, PasswordCredentials)
        return (yield from self._issued(now, grant_type="password", password=credentials.password))

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """Send the refresh token."""
        return (yield from self._issued(now, grant_type="refresh_token", refresh_token=token.refresh_token))

    def headers(self, token: Token) -> dict[str, str]:
        """Bear it."""
        return {"Authorization": f"Bearer {token.value}"}

    def _issued(self, now: datetime, **body: Any) -> Flow[Token]:
        response = yield Request("POST", self.base_url.with_path(TOKEN_PATH), {}, msgspec.json.encode(body))
        if not response.ok:
            message = f"POST {TOKEN_PATH}: {response.status}"
            raise AuthServiceUnavailable(message)
        issued: Any = response.json
        ends = now + timedelta(seconds=issued["expires_in"])
        return Token(
            value=issued["access_token"], issued_at=now, expires_at=ends, refresh_token=issued["refresh_token"]
        )


@asynccontextmanager
async def _opened(url: str) -> AsyncGenerator[Operation]:
    async with ApiClient(
        OAuthFlow(URL(url), "jane@bench"), PasswordCredentials("jane", "s3cret"), timeout=120
    ) as client:
        yield lambda: client.get(PATH)


VENDORAUTH: Final = Keeper("vendorauth", "`await client.get(path)`", _opened, expiry=(10, 8), rounds=7)
"""This package, with nothing said about when to renew."""
