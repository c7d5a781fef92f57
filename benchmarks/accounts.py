"""Compare what one more account costs in one process: its memory over its token's strings, and its time."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import aiohttp
import attrs
import httpx
import psutil
from aiobotocore.session import get_session
from authlib.integrations.httpx_client import AsyncOAuth2Client
from azure.core.credentials import AccessToken
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from measuring import Row
from scenes import OAuthFlow, alone
from yarl import URL

from vendorauth import ApiClient, MemoryTokenStore, PasswordCredentials, Token
from vendorauth.pool import ClientPool

MANY: Final = 10_000
FEW: Final = 50
"""Accounts of clients that take long, or much memory."""
ROUNDS: Final = 7
LONG: Final = 900
"""Characters of a token, of a refresh token as well."""
ADDRESS: Final = URL("https://vendor.example")

Step: TypeAlias = Callable[[int], Awaitable[object]]
"""Do something for the account of this number, whose client is kept."""
Steps: TypeAlias = tuple[Step, ...]
"""Make it; then, where it does not come with its token, get that."""


@attrs.frozen
class Strings:
    """Be the strings of one account, which are there whoever keeps them."""

    name: str
    token: str
    refresh_token: str


@attrs.frozen
class Housing:
    """Be a way of keeping *number* accounts; *opened* gives the steps of adding one, and ends all when it is left."""

    name: str
    how: str
    opened: Callable[[list[Strings]], AbstractAsyncContextManager[Steps]]
    number: int = MANY


@asynccontextmanager
async def pooled(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use this package's pool, with tokens that are found in the store."""
    store, now = MemoryTokenStore(), datetime.now(UTC)
    ends = now + timedelta(hours=1)

    def make(number: int, session: aiohttp.ClientSession) -> ApiClient:
        one = strings[number]
        flow, credentials = OAuthFlow(ADDRESS, one.name), PasswordCredentials(one.name, "s3cret")
        return ApiClient(flow, credentials, store=store, session=session)

    async def add(number: int) -> None:
        async with pool.client(number):
            pass

    async def ask(number: int) -> None:
        async with pool.client(number) as client:
            await client.tokens.token()

    async with ClientPool(make, max_clients=MANY) as pool:
        for one in strings:
            await store.save(
                one.name,
                Token(value=one.token, issued_at=now, expires_at=ends, refresh_token=one.refresh_token, generation=1),
            )
        yield add, ask


class Fixed:
    """Be a credential that has its token."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """Give it."""
        del scopes, options
        return AccessToken(self._token, int(time.time()) + 36_000)


@asynccontextmanager
async def pipelines(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use azure-core, with a pipeline for each account and one transport."""
    kept = list[Any]()

    async def add(number: int) -> None:
        policy: Any = AsyncBearerTokenCredentialPolicy(Fixed(strings[number].token), "scope")
        kept.append(AsyncPipeline(transport, [policy]))

    async with AioHttpTransport() as transport:
        yield (add,)


@asynccontextmanager
async def sessions_sharing(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use aiohttp, with a session for each account and one connector."""
    async with aiohttp.TCPConnector() as connector, AsyncExitStack() as kept:

        async def add(number: int) -> None:
            headers = {"Authorization": strings[number].token}
            made = aiohttp.ClientSession(connector=connector, connector_owner=False, headers=headers)
            await kept.enter_async_context(made)

        yield (add,)


@asynccontextmanager
async def sessions(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use aiohttp, with a session and a connector for each account."""
    async with AsyncExitStack() as kept:
        yield (
            lambda number: kept.enter_async_context(
                aiohttp.ClientSession(headers={"Authorization": strings[number].token})
            ),
        )


@asynccontextmanager
async def botocore(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use aiobotocore, with a client for each account and one session."""
    async with AsyncExitStack() as kept:
        session = get_session()

        def made(number: int) -> Awaitable[object]:
            return kept.enter_async_context(
                session.create_client(
                    "lambda",
                    region_name="eu-west-1",
                    endpoint_url=str(ADDRESS),
                    aws_access_key_id="key",
                    aws_secret_access_key="secret",  # noqa: S106  made up
                    aws_session_token=strings[number].token,
                )
            )

        yield (made,)


@asynccontextmanager
async def authlib(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use Authlib, with a client for each account."""
    ends = int(time.time()) + 36_000
    async with AsyncExitStack() as kept:
        yield (
            lambda number: kept.enter_async_context(
                AsyncOAuth2Client("id", token={"access_token": strings[number].token, "expires_at": ends})
            ),
        )


@asynccontextmanager
async def httpx_clients(strings: list[Strings]) -> AsyncGenerator[Steps]:
    """Use httpx, with a client for each account."""
    async with AsyncExitStack() as kept:
        yield (
            lambda number: kept.enter_async_context(
                httpx.AsyncClient(headers={"Authorization": strings[number].token})
            ),
        )


HOUSINGS: Final = (
    Housing("vendorauth", "`async with pool.client(key)`, its token found in one store", pooled),
    Housing("azure-core", "a pipeline of one policy: one transport, no store, no login", pipelines),
    Housing("aiohttp, shared connector", "a `ClientSession` with a header: no token layer", sessions_sharing),
    Housing("aiohttp", "a `ClientSession` with a connector of its own: no token layer", sessions),
    Housing("aiobotocore", "`session.create_client(...)`", botocore, FEW),
    Housing("Authlib", "`AsyncOAuth2Client(token=...)`", authlib, FEW),
    Housing("httpx", "`AsyncClient(headers=...)`: no token layer", httpx_clients, FEW),
)


def run() -> list[Row]:
    """Give the rows; each has a process of its own."""
    return [_row(housing) for housing in HOUSINGS]


def _row(housing: Housing) -> Row:
    kilobytes, makes, asks = alone(_housed, housing)
    figures = {"µs": makes, "µs to a token": makes + asks, "accounts": float(housing.number)}
    return Row(housing.name, kilobytes, how=housing.how, more=figures)


def _housed(housing: Housing) -> tuple[float, float, float]:
    """Give the KB of an account, from the first time that they are made, and the medians of the µs of the two steps."""
    return asyncio.run(_rounds(housing))


async def _rounds(housing: Housing) -> tuple[float, float, float]:
    async with housing.opened(_strings(1)) as steps:  # whatever is made once is there from now on
        for step in steps:
            await step(0)
    found = [await _round(housing) for _ in range(ROUNDS)]
    makes, asks = (statistics.median(one[1][part] for one in found) for part in (0, 1))
    return found[0][0], makes, asks


async def _round(housing: Housing) -> tuple[float, list[float]]:
    gc.collect()
    strings, process = _strings(housing.number), psutil.Process()
    before, taken = process.memory_info().rss, list[float]()
    async with housing.opened(strings) as steps:
        for step in steps:
            begun = time.process_time()
            for number in range(housing.number):
                await step(number)
            taken.append((time.process_time() - begun) / housing.number * 1e6)
        gc.collect()
        grown = process.memory_info().rss - before
    return grown / 1024 / housing.number, [*taken, 0.0]


def _strings(number: int) -> list[Strings]:
    return [
        Strings(f"user-{one}@vendor", f"{one:08}".ljust(LONG, "e"), f"{one:08}".ljust(LONG, "r"))
        for one in range(number)
    ]
