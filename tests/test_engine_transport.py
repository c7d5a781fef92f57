"""Sending a flow's requests over real sockets: what comes back, and what every kind of failure becomes."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from _raw import CLOSE, RESET, RawServer, Step, free_port, head_of, http
from _tls import loopback_contexts
from vendorauth.engine.sending import LONGEST_ANSWER
from vendorauth.engine.sessions import Sessions
from vendorauth.engine.transport import Transport, translated
from vendorauth.errors import (
    ConfigurationError,
    ProtocolError,
    RequestTimeout,
    TransportError,
    VendorAuthError,
)
from vendorauth.messages import Request, Response

MARKED = {"Authorization": "MARK-header"}


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    """Be sessions that are closed in the end."""
    one = Sessions()
    yield one
    await one.close()


@pytest.fixture
def send(sessions: Sessions) -> Transport:
    return Transport(sessions)


def post(server: RawServer | str, path: str = "/token?key=MARK-query") -> Request:
    origin = server if isinstance(server, str) else server.origin
    return Request("POST", f"{origin}{path}", MARKED, b"MARK-body")


async def failure(send: Transport, request: Request) -> VendorAuthError:
    """Send *request*, which has to fail; make sure that the error shows nothing of it and chains nothing."""
    with pytest.raises(VendorAuthError) as caught:
        await send(request)
    error = caught.value
    assert str(error).startswith("POST /token at ")
    assert "MARK" not in f"{error}{error!r}{error.args}"
    assert (None, None) == (error.__cause__, error.__context__)
    return error


async def test_an_answer_comes_whole(send: Transport) -> None:
    """Status, headers (also those that come twice) and body come back as they were sent."""
    async with RawServer(http(b'{"a": 1}', "201 Created", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-One: 1")) as server:
        answer = await send(post(server))
    assert (201, b'{"a": 1}', {"a": 1}) == (answer.status, answer.body, answer.json)
    assert ["a=1", "b=2"] == answer.headers.getall("set-cookie")


async def test_a_request_goes_out_as_it_is(send: Transport) -> None:
    """Method, path, query, headers and body are the flow's; the client adds Host, User-Agent, and what HTTP wants."""
    async with RawServer() as server:
        await send(Request("POST", f"{server.origin}/a%2Fb?x=%C3%BC&y=1+2", {"X-One": "1"}, b"body"))
        await send(Request("GET", f"{server.origin}/"))
    first, second = server.received
    assert first.startswith(b"POST /a%2Fb?x=%C3%BC&y=1+2 HTTP/1.1\r\n")
    assert first.endswith(b"\r\n\r\nbody")
    added = {"host", "user-agent", "accept", "accept-encoding"}
    assert added | {"x-one", "content-length"} == set(head_of(first))
    assert added == set(head_of(second))


async def test_connections_are_kept(send: Transport) -> None:
    """The next request goes over the same connection."""
    async with RawServer() as server:
        for _ in range(3):
            await send(post(server))
    assert (1, 3) == (server.connections, len(server.received))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_not_followed(send: Transport, status: str) -> None:
    """A redirect is an answer: following it would replay a password elsewhere (DESIGN 7)."""
    async with RawServer() as elsewhere, RawServer(http(b"", status, f"Location: {elsewhere.origin}/x")) as server:
        answer = await send(post(server))
    assert int(status[:3]) == answer.status
    assert (1, 0) == (len(server.received), elsewhere.connections)


async def test_cookies_are_never_kept(send: Transport) -> None:
    """What one answer sets is not sent with the next request, to whomever it belongs."""
    async with RawServer(http(b"{}", "200 OK", "Set-Cookie: session=MARK; Path=/")) as server:
        await send(post(server))
        await send(post(server))
    assert "cookie" not in head_of(server.received[1])


# What never was sent.


async def test_refused(send: Transport) -> None:
    """Nobody listens: certainly not sent."""
    error = await failure(send, post(f"http://127.0.0.1:{free_port()}"))
    assert (TransportError, False) == (type(error), getattr(error, "sent", None))
    assert "can't connect" in str(error)


async def test_no_such_host(send: Transport) -> None:
    """A name that can't be resolved is a passing trouble and no refusal (pitfall 44)."""
    error = await failure(send, post("https://nonexistent.invalid"))
    assert str(error).endswith(": the host's name can't be resolved")
    assert (True, False) == (error.temporary, getattr(error, "sent", None))


async def test_tls_against_a_plain_port(send: Transport) -> None:
    """A port that speaks no TLS: nothing was sent."""
    async with RawServer(greeting=http()) as server:
        error = await failure(send, post(server.origin.replace("http:", "https:")))
    assert str(error).endswith(": TLS failed")
    assert (TransportError, False) == (type(error), getattr(error, "sent", None))


async def test_untrusted_certificates(send: Transport, tmp_path: Path) -> None:
    """A certificate that can't be verified ends it before anything is sent; one that is trusted is fine."""
    context, trusting = loopback_contexts(tmp_path)
    async with RawServer(context=context) as server:
        error = await failure(send, post(server))
        trusted = Sessions(ssl=trusting)
        assert 200 == (await Transport(trusted)(post(server))).status
        await trusted.close()
    assert str(error).endswith(": the host's certificate can't be verified")
    assert (TransportError, False, 1) == (type(error), getattr(error, "sent", None), len(server.received))


async def test_the_wrong_fingerprint(tmp_path: Path) -> None:
    """A server that is not the pinned one gets nothing."""
    context, _ = loopback_contexts(tmp_path)
    pinned = Sessions(ssl=aiohttp.Fingerprint(b"x" * 32))
    async with RawServer(context=context) as server:
        error = await failure(Transport(pinned), post(server))
        await pinned.close()
    assert str(error).endswith(": TLS failed")
    assert (False, []) == (getattr(error, "sent", None), server.received)


async def test_a_proxy_that_refuses() -> None:
    """A proxy that does not connect through: nothing reached the vendor."""
    async with RawServer(Step(http(b"no", "407 Proxy Authentication Required"), close=True)) as proxy:
        through = Sessions(proxy=proxy.origin)
        error = await failure(Transport(through), post("https://nonexistent.invalid"))
        await through.close()
    assert str(error).endswith(": the proxy answered 407")
    assert getattr(error, "sent", None) is False


@pytest.mark.parametrize("name", ["X-One", "X-\nTwo"])
async def test_line_breaks_in_headers(send: Transport, name: str) -> None:
    """A header that would smuggle another one never leaves."""
    async with RawServer() as server:
        with pytest.raises(ValueError, match=r"(?i)header"):
            await send(Request("POST", f"{server.origin}/token", {name: "a\r\nX-Evil: 1"}))
    assert [] == server.received


# What was sent, and has no answer.


@pytest.mark.parametrize(
    "step",
    [
        RESET,
        CLOSE,
        Step(b"HTTP/1.1 200 OK\r\nContent-", reset=True),
        Step(http(b'{"a"', length=100), close=True),
        Step(http(b'{"a"', length=100), reset=True),
        Step(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n', close=True),
    ],
    ids=["reset", "closed", "head cut", "body cut", "body reset", "chunks cut"],
)
async def test_lost_after_sending(send: Transport, step: Step) -> None:
    """A connection that ends before a success is complete: the vendor may have read the request (rule 9a)."""
    async with RawServer(step) as server:
        error = await failure(send, post(server))
    assert (TransportError, True) == (type(error), getattr(error, "sent", None))
    assert "the connection was lost before the answer was complete" in str(error)
    assert 1 == len(server.received)


async def test_closed_without_reading(send: Transport) -> None:
    """A server that hangs up on everybody: it can't be told whether it read the request."""
    async with RawServer(greeting=b"") as server:
        error = await failure(send, post(server))
    assert (TransportError, True) == (type(error), getattr(error, "sent", None))


async def test_a_kept_connection_that_died(send: Transport) -> None:
    """A connection that the server closed between two requests: lost, or silently renewed, and never an OSError."""
    async with RawServer(Step(http(), close=True)) as server:
        await send(post(server))
        with suppress(TransportError):
            assert 200 == (await send(post(server))).status


@pytest.mark.parametrize(
    "step",
    [Step(http(b"busy", "503 Busy", length=100), close=True), Step(http(b"x", "400 No", "Content-Encoding: gzip"))],
)
async def test_a_refusal_is_told_without_its_body(send: Transport, step: Step) -> None:
    """Of an answer that is no success, status and headers tell enough: a body that is cut or garbled is left out."""
    async with RawServer(step) as server:
        answer = await send(post(server))
    assert (int(step.content[9:12]), b"") == (answer.status, answer.body)


# What can't be read.


@pytest.mark.parametrize(
    "content",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA b: c\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        http(b"MARK no gzip", "200 OK", "Content-Encoding: gzip"),
    ],
    ids=["mail", "status", "header", "long header", "gzip"],
)
async def test_no_http(send: Transport, content: bytes) -> None:
    """What is no HTTP can't be read; it was sent, so a refresh is repeated (rule 9a)."""
    async with RawServer(Step(content, close=True)) as server:
        error = await failure(send, post(server))
    assert str(error).endswith(": the answer is not proper HTTP")
    assert ProtocolError is type(error)


LIMIT = pytest.mark.parametrize("status", ["200 OK", "500 Broken"])


@LIMIT
async def test_just_short_enough(send: Transport, status: str) -> None:
    """An answer of 1 MiB is read (rule 4)."""
    async with RawServer(http(b"x" * LONGEST_ANSWER, status)) as server:
        answer = await send(post(server))
    assert LONGEST_ANSWER == 2**20 == len(answer.body or b"")


@pytest.mark.parametrize("packed", [False, True])
async def test_too_long(send: Transport, packed: bool) -> None:
    """An answer of more than 1 MiB is not, whatever it says of itself and however small it comes (rule 4)."""
    async with RawServer(Step(long_answer("200 OK", packed=packed))) as server:
        error = await failure(send, post(server))
    assert str(error).endswith(": the answer (200) is longer than 1048576 bytes")
    assert ProtocolError is type(error)


@pytest.mark.parametrize("packed", [False, True])
async def test_too_long_a_refusal(send: Transport, packed: bool) -> None:
    """Rules 9, 10: of a refusal or failure that is too long, the status still counts."""
    async with RawServer(Step(long_answer("401 No", packed=packed))) as server:
        answer = await send(post(server))
    assert (401, b"") == (answer.status, answer.body)


def long_answer(status: str, *, packed: bool) -> bytes:
    """Write a body that is one byte too long."""
    plain = b"x" * (LONGEST_ANSWER + 1)
    return http(gzip.compress(plain), status, "Content-Encoding: gzip") if packed else http(plain, status)


async def test_a_bomb(send: Transport) -> None:
    """A small answer that unpacks to 64 MiB is left after a megabyte or so."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(64)) + packer.flush()
    async with RawServer(http(bomb, "200 OK", "Content-Encoding: gzip")) as server:
        error = await failure(send, post(server))
    assert ProtocolError is type(error)


async def test_an_endless_answer(send: Transport) -> None:
    """A server that never stops talking is hung up on."""
    chunks = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    content = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 20
    async with RawServer(Step(content)) as server:
        error = await failure(send, post(server))
    assert "longer than" in str(error)


async def test_cancelled(send: Transport) -> None:
    """A cancelled request is cancelled; its connection is not used again."""
    async with RawServer(Step(hang=True)) as server:
        task = asyncio.create_task(send(post(server)))
        await server.arrived()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answer: Response = await send(post(server))
    assert (200, 2) == (answer.status, server.connections)


# Errors that loopback can't bring about.


@pytest.mark.parametrize(
    ("kind", "sent", "text", "error"),
    [
        (RequestTimeout, True, "no answer in time", aiohttp.ServerTimeoutError("MARK")),
        (RequestTimeout, True, "no answer in time", TimeoutError("MARK")),
        (RequestTimeout, False, "no connection in time", aiohttp.ConnectionTimeoutError("MARK")),
        (TransportError, True, "the connection was lost before the answer was complete (OSError)", OSError("MARK")),
        (ConfigurationError, None, "this URL can't be sent to", aiohttp.InvalidURL("MARK")),
    ],
)
def test_translated(
    kind: type[VendorAuthError], sent: bool | None, text: str, error: aiohttp.ClientError | OSError
) -> None:
    """Each error becomes ours, with what is known of the sending, and without its text."""
    ours = translated(error, "GET /x")
    assert (kind, f"GET /x: {text}", sent) == (type(ours), str(ours), getattr(ours, "sent", None))


async def test_plain_http_to_another_machine() -> None:
    """DESIGN 7: a flow's own requests too go over https, but to loopback, or where the user said otherwise."""
    sessions = Sessions()
    error = await failure(Transport(sessions), post("http://nonexistent.invalid"))
    assert (ConfigurationError, True) == (type(error), "plain http" in str(error))
    error = await failure(Transport(sessions, allow_http=True), post("http://nonexistent.invalid"))
    assert TransportError is type(error)
    await sessions.close()
