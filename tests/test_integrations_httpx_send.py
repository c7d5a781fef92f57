"""Sending a login's requests through an httpx client: what becomes of them when things go wrong."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from _integrations import glove_source
from _marks import held, leaks
from _raw import CLOSE, RawServer, Step, free_port, http
from vendorauth import (
    ConfigurationError,
    ProtocolError,
    RefreshPolicy,
    Request,
    RequestTimeout,
    Response,
    TransportError,
    VendorAuthError,
)
from vendorauth.engine.sending import LONGEST_ANSWER
from vendorauth.integrations.httpx import httpx_send
from vendorauth.testing import FakeProGlove

PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
MARK: Final = "MARKED-password-5772156"


def post(origin: str, **headers: str) -> Request:
    """Be a request that nobody may repeat."""
    return Request("POST", f"{origin}/login?key={MARK}", {"X-Password": MARK, **headers}, MARK.encode())


async def send(request: Request, **options: Any) -> Response:
    """Send through a client of its own."""
    async with httpx.AsyncClient(**{"verify": PLAIN, **options}) as client:
        return await httpx_send(client)(request)


async def trouble(request: Request, **options: Any) -> VendorAuthError:
    """Give the error that sending *request* raises; it shows nothing of it, and nothing of httpx comes along."""
    with pytest.raises(VendorAuthError) as caught:
        await send(request, **options)
    error = caught.value
    assert error.__cause__ is None is error.__context__
    assert set() == leaks("".join([str(error), repr(error), *held(error)]), [MARK])
    return error


SENT: Final[list[tuple[type[Exception], type[VendorAuthError], bool | None, str]]] = [
    (httpx.ConnectError, TransportError, False, "can't connect"),
    (httpx.ConnectTimeout, RequestTimeout, False, "no connection in time"),
    (httpx.PoolTimeout, RequestTimeout, False, "no connection in time"),
    (httpx.ProxyError, TransportError, False, "the proxy did not let it through"),
    (httpx.ReadTimeout, RequestTimeout, True, "no answer in time"),
    (httpx.WriteError, TransportError, True, "the connection was lost before the answer was complete (WriteError)"),
    (
        httpx.RemoteProtocolError,
        TransportError,
        True,
        "the connection was lost before the answer was complete (RemoteP",
    ),
    (OSError, TransportError, True, "the connection was lost before the answer was complete (OSError)"),
    (httpx.DecodingError, ProtocolError, None, "the answer is not proper HTTP"),
    (httpx.UnsupportedProtocol, ConfigurationError, None, "this URL can't be sent to"),
]


@pytest.mark.parametrize(("raised", "kind", "sent", "text"), SENT, ids=lambda one: getattr(one, "__name__", None))
async def test_errors(raised: type[Exception], kind: type[VendorAuthError], sent: bool | None, text: str) -> None:
    """Rule 9a: no error of httpx comes out; each says whether something was sent, and nothing of what."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise raised(MARK)

    error = await trouble(post("https://vendor.example"), transport=httpx.MockTransport(fail))
    assert (kind, sent) == (type(error), getattr(error, "sent", None))
    assert str(error).startswith(f"POST /login at vendor.example: {text}")


async def test_what_can_not_be_sent() -> None:
    """Plain http to another machine, what no header can carry, and a client that is closed: nothing is sent."""
    error = await trouble(post("http://vendor.example"))
    assert (
        "POST /login at vendor.example: this would be plain http, which shows passwords and tokens to the network"
        == str(error)
    )
    error = await trouble(post("https://vendor.example", name="\u65e5"))
    assert "POST /login at vendor.example: this can't be sent" == str(error)
    client = httpx.AsyncClient(verify=PLAIN)
    await client.aclose()
    with pytest.raises(ConfigurationError, match="the httpx client that was lent to this token source is closed"):
        await httpx_send(client)(post("https://vendor.example"))
    answering = httpx.MockTransport(lambda _: httpx.Response(200))
    async with httpx.AsyncClient(transport=answering) as client:
        assert 200 == (await httpx_send(client, allow_http=True)(post("http://vendor.example"))).status


async def test_nobody_listens() -> None:
    """A connection that is refused was not sent anything."""
    error = await trouble(post(f"http://127.0.0.1:{free_port()}"))
    assert isinstance(error, TransportError)
    assert not error.sent


async def test_what_only_asks_is_asked_again() -> None:
    """A GET whose connection is lost is sent once more; a POST, which may carry a password, is not."""
    for method, arrived in (("GET", 2), ("POST", 1)):
        async with RawServer(CLOSE, http(b"[]")) as server:
            request = Request(method, server.origin)
            if method == "GET":
                assert b"[]" == (await send(request)).body
            else:
                assert isinstance(await trouble(request), TransportError)
            assert arrived == len(server.received)


async def test_redirects_are_not_followed() -> None:
    """A password is not sent on, whatever the client would do; headers come back as they are."""
    answer = http(b"", "307 Temporary", "Location: /y", "Set-Cookie: a=1", "Set-Cookie: b=2")
    async with RawServer(answer) as server:
        response = await send(post(server.origin), follow_redirects=True)
        assert (307, ["a=1", "b=2"]) == (response.status, response.headers.getall("Set-Cookie"))
        assert 1 == len(server.received)


async def test_how_much_is_read() -> None:
    """Rule 4: an answer is read up to 1 MiB, decompressed; of a refusal, status and headers tell enough."""
    long = b"x" * (LONGEST_ANSWER + 1)
    zipped = http(gzip.compress(long), "200 OK", "Content-Encoding: gzip")
    for answer in (http(long), zipped):
        async with RawServer(answer) as server:
            assert "is longer than 1048576 bytes" in str(await trouble(post(server.origin)))
    async with RawServer(http(long[1:])) as server:
        assert LONGEST_ANSWER == len((await send(post(server.origin))).body or b"")
    garbled = http(b"no gzip", "200 OK", "Content-Encoding: gzip")
    cut = Step(http(b"cut", length=10), close=True)
    for spoiled, kind in ((garbled, ProtocolError), (cut, TransportError)):
        async with RawServer(spoiled) as server:
            assert kind is type(await trouble(post(server.origin)))
    refusals = (http(long, "400 Bad"), http(b"no gzip", "400 Bad", "Content-Encoding: gzip"))
    for refusal in (*refusals, Step(http(b"cut", "400 Bad", length=10), close=True)):
        async with RawServer(refusal) as server:
            assert (400, b"") == ((answer_ := await send(post(server.origin))).status, answer_.body)


async def test_a_refusal_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body of an answer that is no success is waited for, but not for ever."""
    monkeypatch.setattr("vendorauth.integrations._httpx_login.PATIENCE_WITH_REFUSALS", 0.01)
    async with RawServer(http(b"cut", "400 Bad", length=10)) as server, asyncio.timeout(5):
        assert (400, b"") == ((answer := await send(post(server.origin))).status, answer.body)


async def test_the_policy_has_the_deadline() -> None:
    """Rule 4: however patient the client, the exchange ends with the policy's deadline; its connection is closed."""
    async with FakeProGlove() as fake, httpx.AsyncClient(verify=PLAIN, timeout=0.001) as client:
        source = glove_source(fake, httpx_send(client), policy=RefreshPolicy(deadline=0.3))
        with fake.hold("login") as hold:
            with pytest.raises(RequestTimeout):
                await source.token()
            assert 1 == hold.count
        await source.aclose()


async def test_a_body_that_breaks_off() -> None:
    """What a transport's stream raises is ours as well."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"{"
        raise httpx.ReadError(MARK)

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=broken()))
    assert isinstance(await trouble(post("https://vendor.example"), transport=transport), TransportError)
