"""Send an authenticated GET with each of the clients, the way their documentation does it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import httpx
import httpx2
import orjson
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from authlib.integrations.httpx_client import AsyncOAuth2Client
from azure.core import AsyncPipelineClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from google.auth.aio.credentials import StaticCredentials
from google.auth.aio.transport.sessions import AsyncAuthorizedSession
from google.oauth2.credentials import Credentials
from measuring import FINE_ROUNDS, Contender, Operation
from oauth import LIFE, VALUE, naive_end, token
from raw import RawPool

from vendorauth import MemoryTokenStore, ProGloveClient, ProtogridClient

AT_ONCE: Final = 64
PATH: Final = "/api/v2/devices"


@asynccontextmanager
async def bare(url: str) -> AsyncGenerator[Operation, None]:
    """Use aiohttp with a header that never changes."""
    headers = {"Authorization": VALUE}
    async with aiohttp.ClientSession() as session:

        async def get() -> Any:
            async with session.get(url + PATH, headers=headers) as response:
                return await response.json()

        yield get


@asynccontextmanager
async def with_orjson(url: str) -> AsyncGenerator[Operation, None]:
    """Use aiohttp, and orjson for the body."""
    headers = {"Authorization": VALUE}
    async with aiohttp.ClientSession() as session:

        async def get() -> Any:
            async with session.get(url + PATH, headers=headers) as response:
                return orjson.loads(await response.read())

        yield get


@asynccontextmanager
async def raw(url: str) -> AsyncGenerator[Operation, None]:
    """Use a protocol that knows nothing of HTTP but where an answer ends."""
    async with RawPool(url, PATH, VALUE, AT_ONCE) as pool:

        async def get() -> Any:
            return orjson.loads(await pool.get())

        yield get


@asynccontextmanager
async def proglove(url: str) -> AsyncGenerator[Operation, None]:
    """Use this package for ProGlove."""
    store = MemoryTokenStore()
    await store.save("bench", token())
    async with ProGloveClient(url, "demo0001", account="bench", store=store) as client:
        yield lambda: client.get(PATH)


@asynccontextmanager
async def protogrid(url: str) -> AsyncGenerator[Operation, None]:
    """Use this package for Protogrid."""
    store = MemoryTokenStore()
    await store.save("bench", token())
    async with ProtogridClient(url, account="bench", store=store) as client:
        yield lambda: client.get(PATH)


@asynccontextmanager
async def google_static(url: str) -> AsyncGenerator[Operation, None]:
    """Use google-auth with a token that can't be renewed."""
    async with _google_session(StaticCredentials(token=VALUE)) as session:
        yield lambda: _google(session, url)


@asynccontextmanager
async def google_renewing(url: str) -> AsyncGenerator[Operation, None]:
    """Use google-auth with credentials that can be renewed."""
    async with _google_session(_google_credentials()) as session:
        yield lambda: _google(session, url)


def _google_credentials() -> Any:
    return Credentials(VALUE, "refresh", None, "http://127.0.0.1/token", "id", "secret", expiry=naive_end())


@asynccontextmanager
async def _google_session(credentials: Any) -> AsyncGenerator[Any, None]:
    session = AsyncAuthorizedSession(credentials)
    try:
        yield session
    finally:
        await session.close()


async def _google(session: Any, url: str) -> Any:
    response = await session.get(url + PATH)
    return orjson.loads(await response.read())


class FixedCredential:
    """Be a credential of Azure's that always has a token."""

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """Give one."""
        del scopes, options
        return AccessToken(VALUE, int(time.time()) + LIFE)

    async def close(self) -> None:
        """Do nothing."""


@asynccontextmanager
async def azure_alone(url: str) -> AsyncGenerator[Operation, None]:
    """Use azure-core's pipeline with nothing in it but what authenticates."""
    policy = AsyncBearerTokenCredentialPolicy(FixedCredential(), "scope")
    async with AsyncPipelineClient(url, policies=[policy], transport=AioHttpTransport()) as client:
        yield lambda: _azure(client, url)


@asynccontextmanager
async def azure_standard(url: str) -> AsyncGenerator[Operation, None]:
    """Use azure-core's pipeline with its standard policies, retries among them, as its clients do."""
    policy = AsyncBearerTokenCredentialPolicy(FixedCredential(), "scope")
    async with AsyncPipelineClient(url, per_retry_policies=policy, transport=AioHttpTransport()) as client:
        yield lambda: _azure(client, url)


async def _azure(client: Any, url: str) -> Any:
    response = await client.send_request(HttpRequest("GET", url + PATH), enforce_https=False)
    return response.json()


@asynccontextmanager
async def botocore(url: str) -> AsyncGenerator[Operation, None]:
    """Use aiobotocore for an operation of AWS Lambda's that is a GET, answered with JSON."""
    made = get_session().create_client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106  made up
        config=AioConfig(max_pool_connections=AT_ONCE),
    )
    async with made as client:
        yield client.get_account_settings


@asynccontextmanager
async def authlib(url: str) -> AsyncGenerator[Operation, None]:
    """Use Authlib."""
    held = {"access_token": VALUE, "token_type": "Bearer", "expires_at": int(time.time()) + LIFE}
    async with AsyncOAuth2Client("id", "secret", token=held) as client:
        yield lambda: _httpx(client, url)


@asynccontextmanager
async def bare_httpx(url: str) -> AsyncGenerator[Operation, None]:
    """Use httpx with a header that never changes."""
    async with httpx.AsyncClient(headers={"Authorization": VALUE}) as client:
        yield lambda: _httpx(client, url)


@asynccontextmanager
async def bare_httpx2(url: str) -> AsyncGenerator[Operation, None]:
    """Use httpx2, which Authlib is built on, with a header that never changes."""
    async with httpx2.AsyncClient(headers={"Authorization": VALUE}) as client:
        yield lambda: _httpx(client, url)


async def _httpx(client: Any, url: str) -> Any:
    return (await client.get(url + PATH)).json()


REFERENCE: Final = Contender("aiohttp", "a header, `await response.json()`", bare)
CONTENDERS: Final = (
    Contender("raw protocol", "64 sockets, orjson: the floor", raw),
    Contender("aiohttp + orjson", "a header, `orjson.loads(await response.read())`", with_orjson, FINE_ROUNDS),
    Contender("vendorauth ProGlove", "`await client.get(path)`", proglove, FINE_ROUNDS),
    Contender("vendorauth Protogrid", "`await client.get(path)`", protogrid, FINE_ROUNDS),
    Contender(
        "google-auth, fixed token",
        "`AsyncAuthorizedSession(StaticCredentials(...))` (google.auth.aio.transport.sessions)",
        google_static,
    ),
    Contender(
        "google-auth, renewing",
        "`AsyncAuthorizedSession(Credentials(...))` (google.auth.aio.transport.sessions)",
        google_renewing,
    ),
    Contender(
        "azure-core, only the token",
        "`AsyncPipelineClient` with `AsyncBearerTokenCredentialPolicy` alone (azure.core.pipeline.policies)",
        azure_alone,
    ),
    Contender(
        "azure-core, as its clients",
        "`AsyncPipelineClient` with its standard policies (azure-core, client library developer reference)",
        azure_standard,
    ),
    Contender(
        "aiobotocore",
        "`session.create_client('lambda')`, `get_account_settings()` (aiobotocore, Basic Example)",
        botocore,
    ),
    Contender("Authlib", "`AsyncOAuth2Client(token=...)`, `await client.get(url)` (Authlib, OAuth for HTTPX)", authlib),
    Contender("httpx2", "`AsyncClient(headers=...)`: no token layer", bare_httpx2),
    Contender("httpx", "`AsyncClient(headers=...)`: no token layer (HTTPX, Async Support)", bare_httpx),
)
