"""`VendorAuth` for an httpx client of one's own, and logging in through it, against the fakes and scripted servers."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx
import pytest
from aiohttp import web

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
from _raw import RawServer
from vendorauth import (
    ApiClient,
    ConfigurationError,
    MemoryTokenStore,
    PasswordCredentials,
    Request,
    Response,
    TokenSource,
)
from vendorauth.integrations._proof import Proof
from vendorauth.integrations.httpx import VendorAuth, httpx_send
from vendorauth.protogrid import ProtogridFlow
from vendorauth.testing import FakeProGlove, FakeProtogrid

PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: reading the usual certificates for each client takes long, and nothing here has one."""


async def chunked() -> AsyncIterator[bytes]:
    """Be a body that can be sent once."""
    yield b"chunks"


def asking(client: httpx.AsyncClient) -> Ask:
    """Send with *client*."""

    async def ask(method: str, url: str, *, chunks: bool = False, **options: Any) -> Answered:
        given = {"content": chunked(), **options} if chunks else options
        answer = await client.request(method, url, **given)
        return Answered(answer.status_code, answer.content, answer.request.headers)

    return ask


@asynccontextmanager
async def opened(source: TokenSource) -> AsyncGenerator[Ask, None]:
    """Open a client of a user's."""
    async with httpx.AsyncClient(auth=VendorAuth(source), follow_redirects=True, verify=PLAIN) as client:
        yield asking(client)


@asynccontextmanager
async def dry(source: TokenSource) -> AsyncGenerator[Ask, None]:
    """Open a client that keeps no cookies, as the documentation says."""
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    async with httpx.AsyncClient(auth=VendorAuth(source), cookies=jar, follow_redirects=True, verify=PLAIN) as client:
        yield asking(client)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_promise(promise: Promise) -> None:
    """It keeps what both integrations promise."""
    await promise(opened)


async def test_a_login_through_the_same_client() -> None:
    """Login, renewal and logout go through httpx alone; a ``send`` that uses the client's auth as well does not wait for itself."""
    for careful in (True, False):
        async with FakeProGlove() as fake, httpx.AsyncClient(verify=PLAIN) as client:

            async def send(request: Request, client: httpx.AsyncClient = client) -> Response:
                headers, url = dict(request.headers), str(request.url)
                answer = await client.request(request.method, url, headers=headers, content=request.body or None)
                return Response(answer.status_code, dict(answer.headers), answer.content)

            source = glove_source(fake, httpx_send(client) if careful else send)
            client.auth = VendorAuth(source)
            await no_recursion(fake, source, asking(client))


async def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that a request leaves behind shows a secret: its answer, an error, events, logs, those of httpcore too."""
    await everything_that_tells(dry, caplog)
    assert "(b'Set-Cookie', b'...')" in caplog.text


def test_http_2_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """With ``http2=True`` hpack logs headers both ways, passwords and sessions: only what it does is left of that."""
    caplog.set_level(logging.DEBUG)
    httpx_send(httpx.AsyncClient(verify=PLAIN))
    header = (b"password", b"MARK")
    logging.getLogger("hpack.hpack").debug("Adding %s=%s to the header table, sensitive:%s", *header, False)
    logging.getLogger("hpack.hpack").debug("Decoded %s, consumed %d", header, 4)
    logging.getLogger("hpack.table").debug("Evicting %s: %s from the header table", *header)
    assert ["Adding ...", "Decoded ...", "Evicting ..."] == [one.getMessage() for one in caplog.records]
    assert not any("MARK" in str(vars(one)) for one in caplog.records)


async def test_a_login_over_httpx_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the client's jar nor a log has what a login brought; what the client adds to requests is not sent."""
    caplog.set_level(logging.DEBUG)
    heard: list[object] = []

    async def hook(request: object) -> None:
        heard.append(request)

    async with FakeProtogrid() as fake:
        flow = ProtogridFlow(fake.base_url, account="jane")
        own = httpx.AsyncClient(
            verify=PLAIN, headers={"X-Own": "1"}, cookies={"a": "b"}, auth=("u", "p"), event_hooks={"request": [hook]}
        )
        jane = PasswordCredentials(fake.username, fake.password)
        async with own as client, TokenSource(flow, jane, store=MemoryTokenStore(), send=httpx_send(client)) as source:
            token = await source.token()
            assert [("a", "b")] == [(one.name, one.value) for one in client.cookies.jar]
        asked = fake.requests[-1].headers
    assert {"X-Own", "Cookie", "Authorization"}.isdisjoint(asked)
    assert "identity" == asked["Accept-Encoding"]
    assert asked["User-Agent"].startswith("vendorauth/")
    assert [] == heard
    assert "HTTP Request" not in caplog.text
    assert "Set-Cookie" in caplog.text
    assert token.value not in caplog.text


async def test_a_redirect_that_is_not_followed() -> None:
    """The request that httpx makes of a redirect holds no token; sent, it gets one where it may."""
    async with RawServer() as stranger, serve() as api, api.client() as owner:
        auth = VendorAuth(owner.tokens)
        async with httpx.AsyncClient(auth=auth, verify=PLAIN) as client:
            for target in ("/base/y", f"{stranger.origin}/y"):
                api.script.append(web.Response(status=302, headers={"Location": target}))
                answer = await client.get(f"{api.url}/x")
                assert answer.next_request is not None
                assert "Authorization" not in answer.next_request.headers
                assert 200 == (await client.send(answer.next_request)).status_code
    assert ["/base/x", "/base/y", "/base/x"] == [one.path for one in api.seen]
    assert b"token-" not in b"".join(stranger.received)


class KeyFlow(ApiFlow):
    """Prove the token by a header that httpx would send on."""

    def headers(self, token: Any) -> dict[str, str]:
        """Prove the token."""
        return {"X-Key": token.value}


async def test_a_header_that_httpx_would_send_on() -> None:
    """Pitfall 34: such a token is only sent where no redirect is followed; a request that httpx makes of one has none."""
    async with (
        RawServer() as stranger,
        serve() as api,
        ApiClient(KeyFlow(api.url), JANE) as owner,
        opened(owner.tokens) as ask,
    ):
        with pytest.raises(ConfigurationError, match="never_redirected=True"):
            await ask("GET", f"{api.url}/x")
        assert [] == api.seen
        api.script.append(web.Response(status=302, headers={"Location": f"{stranger.origin}/y"}))
        auth = VendorAuth(owner.tokens, never_redirected=True)
        async with httpx.AsyncClient(auth=auth, verify=PLAIN) as client:
            answer = await client.get(f"{api.url}/x")
            assert ["token-1"] == [one.headers["X-Key"] for one in api.seen]
            assert answer.next_request is not None
            await client.send(answer.next_request)
    assert b"token-" not in b"".join(stranger.received)


async def test_redirects_that_lose_the_cookie_for_ever() -> None:
    """Pages that lead to each other are given up; a request that changes something goes again only if it was refused."""
    async with FakeProtogrid() as fake, grid_client(fake) as owner, dry(owner.tokens) as ask:
        fake.fail_next(100, 302, headers={"Location": f"{fake.base_url}{APPS}"}, on="api")
        with pytest.raises(httpx.TooManyRedirects):
            await ask("GET", fake.base_url + APPS)
        fake.heal()
        echo = f"{fake.base_url}/api/v2/echo"
        fake.count.reset()
        for options, status in (({"json": 1}, 200), ({"files": {"a": b"b"}}, 403)):
            fake.fail_next(1, 307, headers={"Location": echo}, on="api")
            assert status == (await ask("POST", echo, **options)).status
        fake.fail_next(1, 307, headers={"Location": echo}, on="api")
        fake.fail_next(1, 200, on="api")
        assert 200 == (await ask("POST", echo, json=1)).status
        assert (0, 3 + 2 + 2) == (fake.count.logins, fake.count.api)


def test_a_request_that_is_sent_twice_at_once() -> None:
    """Whichever ends last leaves nothing of the token that the other had put in."""
    for others in ({"Cookie": "a=1"}, {}):
        for last in (0, 1):
            headers = httpx.Headers(others)
            proofs = []
            for _ in range(2):
                proofs.append(Proof(headers))
                proofs[-1].put({"Cookie": "session=MARK"})
            proofs[1 - last].take_out()
            proofs[last].take_out()
            assert httpx.Headers(others) == headers


async def test_no_sync_clients() -> None:
    """A synchronous client is told why it can't be served."""
    async with FakeProGlove() as fake:
        auth = VendorAuth(glove_source(fake, httpx_send(httpx.AsyncClient(verify=PLAIN))))
        assert "<VendorAuth of jane>" == repr(auth)
        with pytest.raises(RuntimeError, match="VendorAuth is for"):
            auth.sync_auth_flow(httpx.Request("GET", devices(fake)))
