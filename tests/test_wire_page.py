"""Test that the page about what is sent shows what is sent: each request of it, as it comes over a socket."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from _raw import RawServer, http
from vendorauth import (
    ChallengeRequired,
    Credentials,
    MemoryTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    RefreshTokenCredentials,
)

PAGE: Final = (Path(__file__).parent.parent / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
BLOCK: Final = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ALWAYS: Final = re.compile(r"^\* `([\w-]+)`:", re.MULTILINE)

JANE: Final = PasswordCredentials("jane@example.com", "PASSWORD")
HELD: Final = RefreshTokenCredentials("REFRESH_TOKEN")
INFORMATION: Final = {"user_pool_client_id": "CLIENT_ID", "region": "eu-west-1"}
ISSUED: Final = {
    "AuthenticationResult": {"IdToken": "ID_TOKEN", "ExpiresIn": 3600, "RefreshToken": "REFRESH_TOKEN"},
    "ChallengeParameters": {},
}
ASKED: Final = {"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "SESSION", "ChallengeParameters": {}}
ENVELOPE: Final = http(
    b'{"errors": [], "result": {}, "protogrid_environment_version": "2.6.0"}', "200 OK", "Set-Cookie: session=SESSION"
)


class Sent:
    """Keep what servers were sent, in order, each request once, as a block of the page."""

    def __init__(self) -> None:
        self.always = set(ALWAYS.findall(PAGE))
        self.blocks: list[str] = []

    def take(self, *servers: RawServer) -> None:
        """Keep what has arrived; every request has the headers that the page says all have."""
        for received in [one for server in servers for one in server.received]:
            head, _, body = received.decode().partition("\r\n\r\n")
            first, *lines = head.split("\r\n")
            named = {line.partition(":")[0]: line for line in lines}
            assert self.always <= {*named, "Content-Length"}
            own = [
                line for name, line in named.items() if name not in self.always or line == "Accept: application/json"
            ]
            block = _block(first, own, body)
            if block not in self.blocks:
                self.blocks.append(block)
        for server in servers:
            server.received.clear()


def _block(first: str, headers: list[str], body: str) -> str:
    return "\n".join([first, *sorted(headers), "", body])


def shown(block: str) -> str:
    """Give a block of the page as it is sent: with its headers in one order, and JSON in one line."""
    head, _, body = block.partition("\n\n")
    first, *headers = head.strip().split("\n")
    return _block(first, headers, json.dumps(json.loads(body), separators=(",", ":")) if body else "")


async def proglove(
    sent: Sent,
    credentials: Credentials,
    *answers: object,
    use: Callable[[ProGloveClient], Awaitable[None]],
    **options: Any,
) -> None:
    """Keep what is sent when a client is used, with Cognito's *answers*."""
    written = [http(json.dumps(one).encode()) for one in answers]
    information = http(json.dumps(INFORMATION).encode())
    async with RawServer(information, information) as api, RawServer(*written) as cognito:
        options |= {"account": "jane", "cognito_url": f"{cognito.origin}/login", "store": MemoryTokenStore()}
        async with ProGloveClient(f"{api.origin}/latest", "demo0001", credentials, **options) as client:
            await client.login()
            sent.take(api, cognito)
            await use(client)
        sent.take(api, cognito)


async def protogrid(sent: Sent, **options: Any) -> None:
    """Keep what a login, where the scheme has one, and a call send."""
    async with RawServer(ENVELOPE, ENVELOPE) as server, ProtogridClient(server.origin, JANE, **options) as client:
        await client.get("/api/v2/apps")
        sent.take(server)


async def call(client: ProGloveClient) -> None:
    await client.get("/{customer_id}/gateways", params={"limit": 10})


async def answer(client: ProGloveClient) -> None:
    with pytest.raises(ChallengeRequired) as caught:
        await client.login()
    await client.tokens.answer(caught.value.challenge, {"SOFTWARE_TOKEN_MFA_CODE": "123456"})


async def log_out(client: ProGloveClient) -> None:
    await client.logout()


async def test_each_request_of_the_page_is_what_is_sent() -> None:
    """Method, path, query, headers and body of each request are the page's, to the byte; all have the headers that it says all have."""
    sent = Sent()
    await proglove(sent, JANE, ISSUED, use=call)
    await proglove(sent, JANE, ISSUED, ASKED, ISSUED, use=answer)
    await proglove(sent, HELD, ISSUED, use=call)
    await proglove(sent, HELD, ISSUED, use=log_out, refresh_with="get-tokens")
    await protogrid(sent)
    await protogrid(sent, login_with="body")
    await protogrid(sent, login_with="basic")
    await protogrid(sent, scheme="headers")
    await protogrid(sent, scheme="basic")
    assert sent.blocks == [shown(block) for block in BLOCK.findall(PAGE)]
