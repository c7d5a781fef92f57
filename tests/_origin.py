"""
A vendor at names of its own, over TLS on loopback, in a world where every other name leads to a stranger.

Strangers hold certificates that clients trust, for whatever name: nothing but the SDK keeps a secret from them. They
count every connection, from the moment it is accepted, and keep what they are sent.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import socket
import ssl
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import attrs
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from _proglove import INFORMATION
from _raw import head_of, http
from _tls import loopback_contexts
from vendorauth import (
    ApiClient,
    BaseLoginFlow,
    Challenge,
    Credentials,
    Flow,
    PasswordCredentials,
    ProGloveClient,
    ProtocolError,
    ProtogridClient,
    Token,
)
from vendorauth.client import BaseClient
from vendorauth.messages import Request, Response

JANE: Final = PasswordCredentials("jane@example.com", "MARK-password")
API: Final = "api.example.com"
BASE: Final = f"https://{API}/latest"
COGNITO: Final = "cognito-idp.eu-west-1.amazonaws.com"
LOGIN: Final = "login.example.com"
KINDS: Final = ("api", "proglove", "cookie", "headers", "basic")
STATUSES: Final = {301: "Moved", 302: "Found", 303: "See Other", 307: "Temporary", 308: "Permanent"}
TLS_PORTS: Final = frozenset({443, 8443})


@attrs.frozen
class Heard:
    """Be one request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes
    raw: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


Answering = Callable[[Heard], bytes]


def nothing(_: Heard) -> bytes:
    """Answer with an empty object, as strangers do."""
    return http()


class Listener:
    """Listen at *host*; answer each request with what *answer* says, a path of *routes* with what stands there."""

    def __init__(
        self, answer: Answering = nothing, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.answer = answer
        self.routes: dict[str, bytes] = {}
        self.connections = 0
        self.heard: list[Heard] = []
        self.port = 0
        self.host = host
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        """Where it is, by its address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self._context else ''}://{host}:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [one.path for one in self.heard]

    @property
    def marks(self) -> set[str]:
        """The marked secrets that it was sent."""
        texts = [text for one in self.heard for text in (one.raw, *map(_decoded, one.headers.get("authorization", [])))]
        return {mark.decode() for text in texts for mark in re.findall(rb"MARK-[a-z]+", text)}

    async def hang_up(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def listen(self, port: int = 0) -> Self:
        """Begin; raises `OSError` where the address can't be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accepted, self.host, port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aenter__(self) -> Self:
        return await self.listen()

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        await self.hang_up()
        await self._server.wait_closed()

    def _accepted(self) -> asyncio.StreamReaderProtocol:
        self.connections += 1
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._connected)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._serve_one(reader, writer)
        finally:
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        headers = head_of(head)
        body = await reader.readexactly(int(headers.get("content-length", ["0"])[0]))
        method, target, _ = head.decode().split(" ", 2)
        heard = Heard(method, target, headers, body, head + body)
        self.heard.append(heard)
        content = self.routes.get(heard.path) or self.answer(heard)
        writer.write(content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else content)
        await writer.drain()


def _decoded(authorization: str) -> bytes:
    scheme, _, content = authorization.partition(" ")
    return base64.b64decode(content) if scheme == "Basic" else b""


class PlainFlow(BaseLoginFlow):
    """Log in at the API itself; what proves a token is a header of the vendor's own, which no client knows to strip."""

    def __init__(self, base_url: str | URL = BASE, account: str = "jane@api") -> None:
        self.account = account
        self.base_url = URL(base_url)

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Post the password."""
        assert isinstance(credentials, PasswordCredentials)
        body = {"username": credentials.username, "password": credentials.password}
        return self._token((yield self._post("login", body)), now)

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """Post the refresh token."""
        return self._token((yield self._post("refresh", {"refresh_token": token.refresh_token})), now)

    def headers(self, token: Token) -> Mapping[str, str]:
        """Prove the token."""
        return {"X-Api-Token": token.value}

    def revoke(self, token: Token) -> Flow[None]:
        """Post the refresh token once more."""
        _check((yield self._post("revoke", {"refresh_token": token.refresh_token})))

    def _post(self, name: str, body: object) -> Request:
        return Request("POST", f"{self.base_url}/{name}", {}, msgspec.json.encode(body))

    def _token(self, response: Response, now: datetime) -> Token:
        _check(response)
        answer: Any = response.json
        return Token(value=answer["token"], issued_at=now, refresh_token="MARK-refresh")


def _check(response: Response) -> None:
    if not response.ok:
        message = f"the login answered {response.status}"
        raise ProtocolError(message)


class _Vendor:
    """Answer as each of the vendors does; every token has a number."""

    def __init__(self) -> None:
        self.information: dict[str, object] = dict(INFORMATION)
        self._numbers = itertools.count(1)

    def answer(self, heard: Heard) -> bytes:
        path, n = heard.path, next(self._numbers)
        if path.endswith("/auth-information"):
            return http(msgspec.json.encode(self.information))
        if "x-amz-target" in heard.headers:
            result = {"IdToken": f"MARK-id-{n}", "AccessToken": f"MARK-access-{n}", "RefreshToken": f"MARK-refresh-{n}"}
            return http(msgspec.json.encode({"AuthenticationResult": result}))
        if path.endswith(("/login", "/refresh", "/revoke")):
            return http(msgspec.json.encode({"token": f"MARK-token-{n}"}))
        cookies = [f"Set-Cookie: session=MARK-session-{n}; Path=/"] if path.endswith("/authenticate") else []
        body = {"errors": [], "result": [], "protogrid_environment_version": "1"}
        return http(msgspec.json.encode(body), "200 OK", *cookies)


class Net(AbstractResolver):
    """Be the only name service there is: a vendor's names at port 443 lead to the vendor, all others to strangers."""

    def __init__(self, server: ssl.SSLContext) -> None:
        self.vendor = _Vendor()
        self.api = Listener(self.vendor.answer, context=server)
        self.login = Listener(self.vendor.answer, context=server, host="127.0.0.3")
        self.stranger = Listener(context=server, host="127.0.0.2")
        self.plain_stranger = Listener(host="127.0.0.2")
        self.sixth = Listener(context=server, host="::1")
        self.names = {(API, 443): self.api, (COGNITO, 443): self.login, (LOGIN, 443): self.login}
        self.lookups: list[tuple[str, int]] = []
        self.session: aiohttp.ClientSession

    @property
    def strangers(self) -> list[Listener]:
        """All who must never hear anything."""
        return [self.stranger, self.plain_stranger, self.sixth]

    @property
    def leaks(self) -> list[object]:
        """Whatever a stranger came to know: that somebody looked for it, connections, requests."""
        looked_for = [one for one in self.lookups if one not in self.names]
        return [*looked_for, *((one.origin, one.connections, one.heard) for one in self.strangers if one.connections)]

    @property
    def locations(self) -> list[str]:
        """Strangers by address: another address, another port, plain http, and IPv6 where this machine has it."""
        return [f"{one.origin}/x" for one in self.strangers if one.port]

    def client(self, kind: str, **options: Any) -> BaseClient:
        """Make a client of *kind* that sends through this net."""
        given = {"session": self.session, "retries": 0, **options}
        match kind:
            case "api":
                return ApiClient(PlainFlow(), JANE, **given)
            case "proglove":
                return ProGloveClient(BASE, "demo0001", JANE, **given)
            case _:
                return ProtogridClient(BASE, JANE, **{"scheme": kind, **given})

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Lead *host* somewhere, whatever it is."""
        self.lookups.append((host, port))
        stranger = self.stranger if port in TLS_PORTS else self.plain_stranger
        to = self.names.get((host, port), stranger)
        return [
            ResolveResult(hostname=host, host=to.host, port=to.port, family=socket.AF_INET, proto=0, flags=0),
        ]

    async def close(self) -> None:
        """Hold nothing."""


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    with tempfile.TemporaryDirectory() as folder:
        server, client = loopback_contexts(Path(folder))
    client.check_hostname = False
    return server, client


@asynccontextmanager
async def run_net() -> AsyncGenerator[Net, None]:
    """Run a net, and lend a session that resolves names in it and takes its certificate for any of them."""
    server, client = _contexts()
    net = Net(server)
    async with AsyncExitStack() as stack:
        for one in (net.api, net.login, net.stranger, net.plain_stranger):
            await stack.enter_async_context(one)
        with suppress(OSError):
            await stack.enter_async_context(net.sixth)
        connector = aiohttp.TCPConnector(resolver=net, ssl=client, use_dns_cache=False)
        net.session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield net


def redirect(location: str | bytes, status: int = 302, *more: str) -> bytes:
    """Write a redirect; *location* goes out as it is."""
    raw = location if isinstance(location, bytes) else location.encode()
    return http(b"", f"{status} {STATUSES[status]}", "Location: @@", *more).replace(b"@@", raw, 1)
