"""A real API server on loopback whose answers the test scripts, and a client for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs
from aiohttp import web
from yarl import URL

from vendorauth import ApiClient, BaseLoginFlow, Challenge, Credentials, Flow, PasswordCredentials, Token
from vendorauth.messages import Request, Response

JANE = PasswordCredentials("jane", "s3cret")
Handler = Callable[[web.Request], Any]


class ApiFlow(BaseLoginFlow):
    """Log in without asking anybody: each token is the next number; refreshing works as long as *refreshes*."""

    def __init__(self, base_url: str) -> None:
        self.account = "jane@api"
        self.base_url = URL(base_url)
        self.issued = 0
        self.asks = False

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Issue a token, or ask for a code."""
        del credentials
        if self.asks:
            return Challenge(name="CODE", account=self.account)
        return self._issue(now)
        yield  # a generator, like every flow

    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        """Take any answer."""
        return self._issue(now)
        yield  # a generator, like every flow

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        """Ask the server's /refresh."""
        response = yield Request("POST", self.base_url / "refresh")
        assert response.ok
        return self._issue(now)

    def headers(self, token: Token) -> Mapping[str, str]:
        """Prove the token."""
        return {"Authorization": token.value}

    def _issue(self, now: datetime) -> Token:
        self.issued += 1
        value = f"token-{self.issued}"
        return Token(value=value, issued_at=now, expires_at=now + timedelta(hours=1), refresh_token="r")


@attrs.define
class Api:
    """What the server saw, and what it answers next: a handler, a `web.Response`, or 200 with ``{"ok": true}``."""

    url: str = ""
    flow: ApiFlow = attrs.field(init=False)
    script: deque[Any] = attrs.field(factory=deque)
    seen: list[web.Request] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    refused: set[str] = attrs.field(factory=set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        if request.path.endswith("/refresh"):
            return web.json_response({})
        self.seen.append(request)
        self.bodies.append(await request.read())
        if request.headers.get("Authorization") in self.refused:
            return web.json_response({}, status=401)
        answer = self.script.popleft() if self.script else web.json_response({"ok": True})
        return answer if isinstance(answer, web.StreamResponse) else await answer(request)

    def client(self, **options: Any) -> ApiClient:
        """Make a client for it."""
        return ApiClient(self.flow, JANE, **options)

    @property
    def used(self) -> list[str]:
        """The tokens that came, in order."""
        return [request.headers["Authorization"] for request in self.seen]


@asynccontextmanager
async def serve(path: str = "/base", port: int = 0) -> AsyncGenerator[Api, None]:
    """Run the server on a free port, or on *port*; its base URL has *path*."""
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"http://{host}:{port}{path}"
    api.flow = ApiFlow(api.url)
    try:
        yield api
    finally:
        await runner.cleanup()


async def hang(request: web.Request) -> web.StreamResponse:
    """Answer never."""
    await asyncio.Event().wait()
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def response_of(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Make a response as a flow sees it."""
    return Response(status, dict(headers or {}), b"")
