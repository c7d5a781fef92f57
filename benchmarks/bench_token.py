"""Measure what asking for a fresh token costs, beside one check of an attribute and of the time."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiobotocore.credentials import AioRefreshableCredentials
from answering import answer
from authlib.integrations.httpx_client import AsyncOAuth2Client
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from azure.identity.aio import ClientSecretCredential
from clients import FixedCredential
from gcloud.aio.auth import Token as GcloudToken
from google.oauth2._credentials_async import Credentials
from measuring import FINE_ROUNDS, Contender, Operation, Row, compare_awaited, reference_row, server, settled
from oauth import LIFE, VALUE, naive_end, token

from vendorauth import MemoryTokenStore, ProGloveClient

BLOCK: Final = 0.02
"""Seconds of processor time that a block takes."""
_ANSWER: Final = json.dumps({"access_token": VALUE, "token_type": "Bearer", "expires_in": LIFE}).encode()


class OneCheck:
    """Do the least that a token layer has to do."""

    def __init__(self) -> None:
        self._token: str | None = VALUE
        self._ends = time.time() + LIFE

    async def token(self) -> str:
        """Give the token if it is there and lives."""
        if self._token is not None and time.time() < self._ends:
            return self._token
        raise LookupError


@asynccontextmanager
async def one_check(_: str) -> AsyncGenerator[Operation, None]:
    """Be the reference."""
    yield OneCheck().token


@asynccontextmanager
async def ours(url: str) -> AsyncGenerator[Operation, None]:
    """Use this package."""
    store = MemoryTokenStore()
    await store.save("bench", token())
    async with ProGloveClient(url, "demo0001", account="bench", store=store) as client:
        yield client.tokens.token


@asynccontextmanager
async def azure_policy(_: str) -> AsyncGenerator[Operation, None]:
    """Use the policy that puts the token into azure-core's requests."""
    policy = AsyncBearerTokenCredentialPolicy(FixedCredential(), "scope")
    request = PipelineRequest(HttpRequest("GET", "https://127.0.0.1/"), PipelineContext(None))
    yield lambda: policy.on_request(request)


@asynccontextmanager
async def azure_identity(url: str) -> AsyncGenerator[Operation, None]:
    """Use a credential of azure-identity, whose cache has a token."""

    def to_loopback(request: Any) -> None:
        request.http_request.url = url

    credential = ClientSecretCredential(
        "tenant", "id", "secret", disable_instance_discovery=True, raw_request_hook=to_loopback
    )
    async with credential:
        yield lambda: credential.get_token("https://example.com/.default")


@asynccontextmanager
async def google(_: str) -> AsyncGenerator[Operation, None]:
    """Use google-auth's async credentials."""
    credentials = Credentials(VALUE, "refresh", None, "http://127.0.0.1/token", "id", "secret", expiry=naive_end())
    headers = dict[str, str]()
    yield lambda: credentials.before_request(None, "GET", "http://127.0.0.1/", headers)


@asynccontextmanager
async def gcloud(url: str) -> AsyncGenerator[Operation, None]:
    """Use gcloud-aio-auth for an authorized user."""
    user = {"type": "authorized_user", "client_id": "id", "client_secret": "secret", "refresh_token": "refresh"}
    async with GcloudToken(io.StringIO(json.dumps(user | {"token_uri": url}))) as made:
        yield made.get


@asynccontextmanager
async def authlib(_: str) -> AsyncGenerator[Operation, None]:
    """Use what Authlib does before each request."""
    held = {"access_token": VALUE, "token_type": "Bearer", "expires_at": int(time.time()) + LIFE}
    async with AsyncOAuth2Client("id", "secret", token=held) as client:
        yield lambda: client.ensure_active_token(client.token)


@asynccontextmanager
async def botocore(_: str) -> AsyncGenerator[Operation, None]:
    """Use aiobotocore's credentials, which are renewed by a function."""

    async def renewed() -> dict[str, Any]:
        ends = datetime.now(UTC) + timedelta(seconds=LIFE)
        return {"access_key": "key", "secret_key": "secret", "token": VALUE, "expiry_time": ends.isoformat()}

    credentials = AioRefreshableCredentials.create_from_metadata(
        await renewed(), refresh_using=renewed, method="sts-assume-role"
    )
    yield credentials.get_frozen_credentials


CONTENDERS: Final = (
    Contender("vendorauth", "`await client.tokens.token()`", ours, FINE_ROUNDS),
    Contender(
        "azure-core's policy",
        "`AsyncBearerTokenCredentialPolicy.on_request(request)` (azure.core.pipeline.policies)",
        azure_policy,
    ),
    Contender("google-auth, async", "`await credentials.before_request(...)` (google.auth.credentials, async)", google),
    Contender("gcloud-aio-auth", "`await token.get()` (gcloud-aio-auth, Usage)", gcloud),
    Contender(
        "azure-identity", "`await ClientSecretCredential(...).get_token(scope)` (azure.identity.aio)", azure_identity
    ),
    Contender("Authlib", "`await client.ensure_active_token(token)`, as before each request", authlib),
    Contender(
        "aiobotocore",
        "`await AioRefreshableCredentials(...).get_frozen_credentials()`, as before each request",
        botocore,
    ),
)
REFERENCE: Final = Contender("one check", "an `async def` that checks one attribute and the time", one_check)


def run() -> list[Row]:
    """Give the rows."""
    with server(answer, _ANSWER) as (_, url):
        return asyncio.run(_rows(url))


async def _rows(url: str) -> list[Row]:
    rows, taken = list[Row](), list[float]()
    async with REFERENCE.opened(url) as reference:
        often = await _number(reference)

        async def beside() -> float:
            taken.append(await _nanoseconds(reference, often))
            return taken[-1]

        for contender in CONTENDERS:
            async with contender.opened(url) as operation:
                rows.append(await _row(contender, operation, beside))
    return [reference_row(REFERENCE.name, taken, how=REFERENCE.how), *rows]


async def _row(contender: Contender, operation: Operation, reference: Callable[[], Awaitable[float]]) -> Row:
    number = await _number(operation)

    async def block() -> float:
        return await _nanoseconds(operation, number)

    with settled():
        return await compare_awaited(contender.name, block, reference, rounds=contender.rounds, how=contender.how)


async def _number(operation: Operation) -> int:
    await _nanoseconds(operation, 1)
    return max(int(BLOCK * 1e9 / await _nanoseconds(operation, 200)), 10)


async def _nanoseconds(operation: Operation, number: int) -> float:
    begun = time.process_time_ns()
    for _ in range(number):
        await operation()
    return (time.process_time_ns() - begun) / number
