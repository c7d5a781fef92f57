"""The middleware for a session of one's own, against the fakes and servers that a test scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.http_writer import StreamWriter

from _api import JANE, ApiFlow, serve
from _integrations import (
    APPS,
    PROMISES,
    Answered,
    Ask,
    Promise,
    devices,
    everything_that_tells,
    glove_source,
    grid_client,
    no_recursion,
)
from _marks import held, leaks
from vendorauth import ApiClient, PasswordCredentials, ProGloveClient, Request, Response, TokenSource
from vendorauth.integrations.aiohttp import authenticate
from vendorauth.testing import FakeProGlove, FakeProtogrid


async def chunked() -> AsyncIterator[bytes]:
    """Be a body that can be sent once."""
    yield b"chunks"


def asking(session: aiohttp.ClientSession) -> Ask:
    """Send with *session*."""

    async def ask(method: str, url: str, *, chunks: bool = False, **options: Any) -> Answered:
        given = {"data": chunked(), **options} if chunks else options
        async with session.request(method, url, **given) as answer:
            return Answered(answer.status, await answer.read(), answer.request_info.headers)

    return ask


@asynccontextmanager
async def opened(source: TokenSource) -> AsyncGenerator[Ask, None]:
    """Open a session of a user's."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(middlewares=(authenticate(source),), cookie_jar=jar) as session:
        yield asking(session)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_promise(promise: Promise) -> None:
    """It keeps what both integrations promise."""
    await promise(opened)


async def test_a_login_through_the_same_session() -> None:
    """A ``send`` that uses the session, middleware and all, does not wait for itself (gotchas: aiohttp)."""
    async with FakeProGlove() as fake:

        async def send(request: Request) -> Response:
            headers, url = request.headers, request.url
            async with session.request(request.method, url, headers=headers, data=request.body or None) as answer:
                return Response(answer.status, answer.headers, await answer.read())

        source = glove_source(fake, send)
        async with aiohttp.ClientSession(middlewares=(authenticate(source),)) as session:
            await no_recursion(fake, source, asking(session))


async def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that a request leaves behind shows a secret: its answer, an error, events, logs."""
    await everything_that_tells(dry, caplog)


@asynccontextmanager
async def dry(source: TokenSource) -> AsyncGenerator[Ask, None]:
    """Open a session that keeps no cookies, as the documentation says."""
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(middlewares=(authenticate(source),), cookie_jar=jar) as session:
        yield asking(session)


async def test_a_request_that_can_not_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 7: aiohttp's frames hold what it was about to write; they are cut from its error."""

    def closed(*given: object) -> None:
        del given
        raise aiohttp.ClientConnectionResetError

    async with FakeProtogrid() as fake, grid_client(fake) as client, opened(client.tokens) as ask:
        token = await client.tokens.token()
        for name in ("_write", "_writelines"):
            monkeypatch.setattr(StreamWriter, name, closed)
        with pytest.raises(aiohttp.ClientConnectionResetError) as caught:
            await ask("GET", fake.base_url + APPS)
    assert [] == [one for one in held(caught.value) if leaks(one, [token.value])]


async def test_an_error_of_the_sessions_own() -> None:
    """``raise_for_status`` makes an error whose request has no token in it; the session's connection is free again."""
    async with serve() as api, api.client() as client:
        api.refused |= {"token-1", "token-2"}
        connector = aiohttp.TCPConnector(limit=1)
        middlewares = (authenticate(client.tokens),)
        async with aiohttp.ClientSession(
            connector=connector, middlewares=middlewares, raise_for_status=True
        ) as session:
            with pytest.raises(aiohttp.ClientResponseError) as caught:
                await session.get(f"{api.url}/x")
            assert "token-" not in repr(caught.value)
            assert "Authorization" not in caught.value.request_info.headers
            api.refused.clear()
            async with asyncio.timeout(5), session.get(f"{api.url}/x") as answer:
                assert {"ok": True} == await answer.json()
    assert ["token-1", "token-2", "token-2"] == api.used


async def test_one_connection_for_everything() -> None:
    """A refused answer's connection is free while the token is renewed over the same, only one, however long its body."""
    async with FakeProGlove() as fake, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as lent:
        jane = PasswordCredentials(fake.username, fake.password)
        async with ProGloveClient(
            fake.base_url, fake.customer_id, jane, cognito_url=fake.cognito_url, session=lent
        ) as client:
            middlewares = (authenticate(client.tokens),)
            for _ in range(2):
                async with asyncio.timeout(5), lent.get(devices(fake), middlewares=middlewares) as answer:
                    assert 200 == answer.status
                    await answer.read()
                fake.fail_next(1, 401, b"x" * 1_000_000, on="api")
        assert (1, 1) == (fake.count.logins, fake.count.refreshes)


async def test_a_bug_in_a_flow_frees_the_connection() -> None:
    """What a flow raises comes out, and the long answer that it was asked about is closed."""

    class Buggy(ApiFlow):
        def rejects(self, response: Response) -> bool:
            raise ZeroDivisionError

    connector = aiohttp.TCPConnector(limit=1)
    async with serve() as api, ApiClient(Buggy(api.url), JANE) as client:
        api.script.append(web.Response(body=b"x" * 1_000_000))
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(5):
            with pytest.raises(ZeroDivisionError):
                await session.get(f"{api.url}/x", middlewares=(authenticate(client.tokens),))
            async with session.get(f"{api.url}/x") as answer:
                assert 200 == answer.status


async def test_what_was_read_can_be_streamed() -> None:
    """A JSON answer that the flow had to look at can be read in every way, by pieces as well; others are left unread."""
    async with FakeProtogrid() as fake, grid_client(fake) as client:
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(middlewares=(authenticate(client.tokens),), cookie_jar=jar) as session:
            for text in ("[1, 2, 3]", ""):
                fake.fail_next(1, 200, text.encode(), {"Content-Type": "application/json"}, on="api")
                async with session.get(fake.base_url + APPS) as answer:
                    pieces = [piece async for piece in answer.content.iter_chunked(4)]
                    assert text.encode() == b"".join(pieces) == await answer.read()
            for kind in ("application/octet-stream", "application/x-ndjson"):
                fake.fail_next(1, 200, b"x" * 300_000, {"Content-Type": kind}, on="api")
                async with session.get(fake.base_url + APPS) as answer:
                    assert not answer.content.is_eof()
                    assert 300_000 == len(await answer.content.read())


def multipart(part: Any) -> aiohttp.MultipartWriter:
    """Make a form with one part."""
    writer = aiohttp.MultipartWriter("form-data")
    writer.append(part)
    return writer


BODIES: list[tuple[Callable[[], Any], int]] = [
    (lambda: {"a": "b"}, 2),
    (lambda: "text", 2),
    (lambda: multipart("text"), 2),
    (lambda: multipart(BytesIO(b"a file")), 1),
    (lambda: BytesIO(b"a file"), 1),
]


@pytest.mark.parametrize(("make", "times"), BODIES)
async def test_bodies(make: Callable[[], Any], times: int) -> None:
    """Rule 13: forms are sent again, a file is not: aiohttp would send it empty, with status 200."""
    async with serve() as api, api.client() as client, dry(client.tokens) as ask:
        api.refused.add("token-1")
        answer = await ask("POST", f"{api.url}/x", data=make())
        assert (200 if times > 1 else 401, times) == (answer.status, len(api.bodies))
        assert 1 == len(set(api.bodies))
        assert b"" not in api.bodies


async def test_web_sockets() -> None:
    """``ws_connect`` with the base URL's scheme carries the token, and is replayed; ``ws`` is another origin."""

    async def tell(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request.headers.get("Authorization", "none"))
        await socket.close()
        return socket

    async with serve() as api, api.client() as client:
        api.script += [web.json_response({}, status=401), tell, tell]
        async with aiohttp.ClientSession(middlewares=(authenticate(client.tokens),)) as session:
            for url, told in ((api.url, "token-2"), (api.url.replace("http", "ws", 1), "none")):
                async with session.ws_connect(f"{url}/x") as socket:
                    assert told == await socket.receive_str()
