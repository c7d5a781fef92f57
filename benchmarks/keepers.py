"""Keep a token with each of the other clients, the way their documentation does it."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import httpx
import httpx2
import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import get_session
from authlib.integrations.httpx_client import AsyncOAuth2Client
from azure.core import AsyncPipelineClient
from azure.core.credentials import AccessTokenInfo
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.identity.aio import ClientSecretCredential
from gcloud.aio.auth import Token
from google.auth.aio.transport.sessions import AsyncAuthorizedSession
from google.oauth2.credentials import Credentials
from measuring import Operation
from scenes import PATH, TOKEN_PATH, Keeper

PATIENCE: Final = 300.0
"""Seconds that a crowd may take before its callers give up, where a client asks for such a number."""

for noisy in ("azure", "aiobotocore", "botocore", "gcloud"):  # each failed renewal brings a line, or a traceback
    logging.getLogger(noisy).setLevel(logging.CRITICAL)


async def _ask(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.post(url + TOKEN_PATH, data=b"{}") as response:
        response.raise_for_status()
        return await response.json()


async def _get(session: aiohttp.ClientSession, url: str, token: Any) -> Any:
    async with session.get(url + PATH, headers={"Authorization": f"Bearer {token}"}) as response:
        return await response.json()


@asynccontextmanager
async def bare(url: str) -> AsyncGenerator[Operation]:
    """Use aiohttp with a header that never changes."""
    headers = {"Authorization": "fixed"}

    async def get() -> Any:
        async with session.get(url + PATH, headers=headers) as response:
            return await response.json()

    async with aiohttp.ClientSession() as session:
        yield get


@asynccontextmanager
async def shared_task(url: str) -> AsyncGenerator[Operation]:
    """Use aiohttp, and one task for all who find that the token has expired."""
    renewal: asyncio.Task[Any] | None = None
    ends = 0.0

    async def renewed() -> Any:
        nonlocal ends
        issued = await _ask(session, url)
        ends = time.time() + issued["expires_in"]
        return issued["access_token"]

    async def get() -> Any:
        nonlocal renewal
        if renewal is None or (renewal.done() and time.time() >= ends):
            renewal = asyncio.create_task(renewed())
        return await _get(session, url, await renewal)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
        yield get


@asynccontextmanager
async def authlib(url: str) -> AsyncGenerator[Operation]:
    """Use Authlib."""
    client = AsyncOAuth2Client("id", "secret", token_endpoint=url + TOKEN_PATH, timeout=httpx2.Timeout(PATIENCE))
    async with client:
        await client.fetch_token(url + TOKEN_PATH, username="jane", password="s3cret")  # noqa: S106  made up
        yield lambda: _httpx(client, url)


async def _httpx(client: Any, url: str) -> Any:
    return (await client.get(url + PATH)).json()


class Renewing(httpx.Auth):
    """Renew when the API refuses a token: the example of HTTPX's documentation."""

    requires_response_body = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = "none"  # noqa: S105  no token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Send it, and again with a new token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            issued = yield httpx.Request("POST", self._url + TOKEN_PATH, content=b"{}")
            issued.raise_for_status()
            self._token = issued.json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


@asynccontextmanager
async def httpx_auth(url: str) -> AsyncGenerator[Operation]:
    """Use httpx."""
    async with httpx.AsyncClient(auth=Renewing(url), timeout=PATIENCE) as client:
        yield lambda: _httpx(client, url)


class OwnCredential:
    """Be a credential for azure-core, which wants one method."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession()

    async def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        """Ask for one."""
        del scopes, options
        issued = await _ask(self._session, self._url)
        ends = int(time.time()) + issued["expires_in"]
        return AccessTokenInfo(issued["access_token"], ends, refresh_on=ends)

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()


@asynccontextmanager
async def azure(url: str) -> AsyncGenerator[Operation]:
    """Use azure-core's pipeline with its standard policies."""
    credential = OwnCredential(url)
    policy = AsyncBearerTokenCredentialPolicy(credential, "scope")
    async with AsyncPipelineClient(url, per_retry_policies=policy, transport=AioHttpTransport()) as client:
        yield lambda: _azure(client, url)
    await credential.close()


async def _azure(client: Any, url: str) -> Any:
    response = await client.send_request(HttpRequest("GET", url + PATH), enforce_https=False)
    return response.json()


class Plain(AioHttpTransport):
    """Send plain HTTP: azure-identity wants TLS, which would be most of what is measured."""

    async def send(self, request: Any, **options: Any) -> Any:
        """Send *request*."""
        request.url = request.url.replace("https:", "http:", 1)
        return await super().send(request, **options)


@asynccontextmanager
async def azure_identity(url: str) -> AsyncGenerator[Operation]:
    """Use azure-identity for the token, and aiohttp for the rest."""
    authority = url.replace("http:", "https:", 1)
    credential = ClientSecretCredential("tenant", "id", "secret", authority=authority, transport=Plain())

    async def get() -> Any:
        return await _get(session, url, (await credential.get_token("scope")).token)

    async with credential, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
        yield get


@asynccontextmanager
async def google(url: str) -> AsyncGenerator[Operation]:
    """Use google-auth."""
    ended = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    credentials = Credentials("none", "refresh", None, url + TOKEN_PATH, "id", "secret", expiry=ended)

    async def get() -> Any:
        response = await session.get(url + PATH, max_allowed_time=PATIENCE, timeout=PATIENCE)
        return msgspec.json.decode(await response.read())

    session = AsyncAuthorizedSession(credentials)
    try:
        yield get
    finally:
        await session.close()


@asynccontextmanager
async def gcloud(url: str) -> AsyncGenerator[Operation]:
    """Use gcloud-aio-auth for the token, and aiohttp for the rest."""
    account = {"client_id": "id", "client_secret": "secret", "refresh_token": "r", "token_uri": url + TOKEN_PATH}
    file = io.StringIO(msgspec.json.encode({"type": "authorized_user", **account}).decode())

    async def get() -> Any:
        return await _get(session, url, await token.get())

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
        token = Token(file, session=session)
        yield get


@asynccontextmanager
async def botocore(url: str) -> AsyncGenerator[Operation]:
    """Use aiobotocore for an operation that is a GET, with credentials that are renewed by a function."""

    async def issued() -> dict[str, str]:
        answer = await _ask(asking, url)
        ends = datetime.now(UTC) + timedelta(seconds=answer["expires_in"])
        return {
            "access_key": "key",
            "secret_key": "secret",
            "token": answer["access_token"],
            "expiry_time": ends.isoformat(),
        }

    async with aiohttp.ClientSession() as asking:
        session: Any = get_session()
        session._credentials = AioRefreshableCredentials.create_from_metadata(  # noqa: SLF001  it has no public way
            await issued(), refresh_using=issued, method="bench"
        )
        config = AioConfig(max_pool_connections=100, connect_timeout=PATIENCE, read_timeout=PATIENCE)
        made = session.create_client("lambda", region_name="eu-west-1", endpoint_url=url, config=config)
        async with made as client:
            yield client.get_account_settings


BARE: Final = Keeper("aiohttp", "a header that never changes", bare)
PEERS: Final = (
    Keeper("aiohttp, shared task", "by hand: all who find it expired await one task", shared_task),
    Keeper(
        "aiobotocore",
        "`AioRefreshableCredentials` (botocore, Credentials)",
        botocore,
        margin=600,
        expiry=(902, 2),
    ),
    Keeper(
        "azure-core",
        "`AsyncBearerTokenCredentialPolicy` with a credential of one's own (azure-core, developer reference)",
        azure,
    ),
    Keeper(
        "azure-identity",
        "`await ClientSecretCredential(...).get_token(scope)` before each request",
        azure_identity,
        most=1000,
    ),
    Keeper(
        "google-auth",
        "`AsyncAuthorizedSession(google.oauth2.credentials.Credentials(...))`",
        google,
        margin=225,
    ),
    Keeper("gcloud-aio-auth", "`await Token(...).get()` before each request", gcloud, expiry=(4, 2)),
    Keeper("Authlib", "`AsyncOAuth2Client(token_endpoint=...)` (Authlib, OAuth for HTTPX)", authlib, margin=60),
    Keeper("httpx", "`Auth.auth_flow` that renews after a 401 (HTTPX, Authentication)", httpx_auth, most=1000),
)
"""Other clients that keep a token."""
