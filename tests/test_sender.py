"""Sending with a token: replays, retries, redirects (DESIGN, rules 12, 13, and §3)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from _api import JANE, Api, ApiFlow, hang, hang_up, serve
from vendorauth import (
    ApiClient,
    ApiError,
    ChallengeRequired,
    PasswordCredentials,
    PermissionDenied,
    RateLimited,
    RefreshPolicy,
    Replayed,
    RequestTimeout,
    Response,
    ServerError,
    TransportError,
    Unauthorized,
)
from vendorauth._sender import Answer


@pytest.fixture
async def api() -> AsyncGenerator[Api, None]:
    async with serve() as made:
        yield made


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vendorauth._sender._BACKOFF", (0.0, 0.0))


def busy(status: int, retry_after: str | None = None) -> web.Response:
    return web.json_response({}, status=status, headers={} if retry_after is None else {"Retry-After": retry_after})


async def test_refused_token_is_renewed_and_the_request_replayed(api: Api) -> None:
    """Rule 12: one renewal, one replay, one event."""
    api.refused.add("token-1")
    events: list[object] = []
    async with api.client(on_event=events.append) as client:
        assert {"ok": True} == await client.get("/x")
        await asyncio.sleep(0)
    assert ["token-1", "token-2"] == api.used
    replayed = [event for event in events if isinstance(event, Replayed)]
    assert [Replayed(account="jane@api", method="GET", path="/base/x", status=401)] == replayed


async def test_replay_with_a_token_that_is_there_already(api: Api) -> None:
    """Rule 12: a newer current token is tried first; refused too, one renewal and one last replay."""
    async with api.client() as client:

        async def meanwhile(request: web.Request) -> web.StreamResponse:
            await client.login()
            return web.json_response({}, status=401)

        api.script.append(meanwhile)
        assert {"ok": True} == await client.get("/x")
        assert ["token-1", "token-2"] == api.used
        api.script.append(meanwhile)
        api.refused.add("token-3")
        assert {"ok": True} == await client.get("/x")
        assert ["token-2", "token-3", "token-4"] == api.used[2:]


async def test_at_most_two_replays(api: Api) -> None:
    """Rule 12: two replays, then the refusal is the caller's."""
    async with api.client() as client:

        async def meanwhile(request: web.Request) -> web.StreamResponse:
            await client.login()
            return web.json_response({}, status=401)

        api.script.extend([meanwhile, meanwhile, meanwhile])
        with pytest.raises(Unauthorized, match=r"a renewed token was refused as well$"):
            await client.get("/x")
    assert 3 == len(api.seen)


async def test_refusals_that_are_not_the_tokens_fault(api: Api) -> None:
    """Rule 12: after a refused replay, refusals raise at once, without a renewal, for futile_pause."""
    api.refused.update(f"token-{number}" for number in range(10))
    async with api.client(policy=RefreshPolicy(futile_pause=60)) as client:
        for _ in range(20):
            with pytest.raises(Unauthorized):
                await client.get("/x")
    assert 2 == api.flow.issued
    assert 21 == len(api.seen)


async def test_permission_is_not_the_tokens_matter_by_default(api: Api) -> None:
    """DESIGN 4: a flow rejects 401 by default; 403 raises without a renewal."""
    api.script.append(busy(403))
    async with api.client() as client:
        with pytest.raises(PermissionDenied):
            await client.get("/x")
    assert 1 == api.flow.issued


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_busy_answers_are_retried_for_get(api: Api, status: int) -> None:
    """DESIGN 3: GET and HEAD are retried on 429, 502, 503, 504, *retries* times; then the error."""
    api.script.extend([busy(status), busy(status)])
    async with api.client() as client:
        assert {"ok": True} == await client.get("/x")
        api.script.extend(busy(status) for _ in range(3))
        with pytest.raises((RateLimited, ServerError)):
            await client.get("/x")
        api.script.append(busy(status))
        with pytest.raises((RateLimited, ServerError)):
            await client.post("/x")
    assert 7 == len(api.seen)


async def test_other_errors_are_not_retried(api: Api) -> None:
    """DESIGN 3: a 500 may have done something."""
    api.script.append(busy(500))
    async with api.client() as client:
        with pytest.raises(ServerError):
            await client.get("/x")
    assert 1 == len(api.seen)


async def test_retry_after_is_obeyed_if_it_fits(api: Api) -> None:
    """DESIGN 3: as far as it fits into the timeout; a longer one raises at once, and tells."""
    api.script.extend([busy(429, "0"), busy(503, "3600")])
    async with api.client() as client:
        with pytest.raises(ServerError) as caught:
            await client.get("/x")
    assert 3600.0 == caught.value.retry_after
    assert 2 == len(api.seen)


async def test_lost_connections_are_retried_for_get_only(api: Api) -> None:
    """DESIGN 3: GET is sent again; a POST may have been read."""
    api.script.extend([hang_up] * 4)
    async with api.client(retries=4) as client:
        assert {"ok": True} == await client.get("/x")
        api.script.append(hang_up)
        with pytest.raises(TransportError, match=r"^POST /base/x: the connection was lost"):
            await client.post("/x")


async def test_refused_connections_are_retried_for_any_method(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 3: when connecting failed, nothing was sent."""
    async with serve() as api:
        real, failures = api.url, 2
        api.flow.base_url = api.flow.base_url.with_port(unused_tcp_port)
        async with api.client() as client:
            sessions = client._sessions
            send = sessions.send

            async def counted(method: str, url: URL, *args: Any, **options: Any) -> object:
                nonlocal failures
                failures -= 1
                if failures < 0:
                    url = api.flow.base_url.with_port(int(real.split(":")[2].split("/")[0])) / "x"
                return await send(method, url, *args, **options)

            monkeypatch.setattr(sessions, "send", counted)
            assert {"ok": True} == await client.post("/x", json={})
    assert -1 == failures


async def test_retries_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 3: after *retries* the error is the caller's; what may have been read is not sent twice."""
    tries: list[str] = []

    async def send(method: str, *args: Any, **options: Any) -> object:
        tries.append(method)
        raise aiohttp.ServerDisconnectedError

    async with api.client(retries=2) as client:
        monkeypatch.setattr(client._sessions, "send", send)
        for method, expected in (("GET", 3), ("POST", 1)):
            tries.clear()
            with pytest.raises(TransportError, match=rf"^{method} /base/x: the connection was lost"):
                await client.request(method, "/x")
            assert [method] * expected == tries


async def test_renewals_errors_are_not_retried(api: Api) -> None:
    """DESIGN 3: retries concern the API request only."""
    calls = 0

    async def credentials() -> object:
        nonlocal calls
        calls += 1
        message = "vault"
        raise TransportError(message)

    async with ApiClient(api.flow, credentials) as client:  # type: ignore[arg-type]  # it only raises
        with pytest.raises(TransportError, match=r"^vault$"):
            await client.get("/x")
    assert 1 == calls


async def test_redirects_of_the_same_origin_are_followed_for_get(api: Api) -> None:
    """DESIGN 7: with the token; another origin's are not, nor a POST's."""
    async with api.client() as client:
        for status in (301, 302, 303, 307, 308):
            api.script.append(web.Response(status=status, headers={"Location": "/base/there"}))
            assert {"ok": True} == await client.get("/x")
            assert "/base/there" == api.seen[-1].path
        count = len(api.seen)
        for location in ("http://localhost:1/", "//evil.example/", "http://user@127.0.0.1/", "http://[", ""):
            headers = {"Location": location} if location else {}
            api.script.append(web.Response(status=302, headers=headers))
            with pytest.raises(
                ApiError,
                match=r"^GET /base/x: 302 Found; a redirect is followed for GET and HEAD only, and to nobody else$",
            ):
                await client.get("/x")
        api.script.append(web.Response(status=307, headers={"Location": "/base/there"}))
        with pytest.raises(ApiError, match="307"):
            await client.post("/x")
    assert count + 6 == len(api.seen)


async def test_redirects_in_a_circle_end(api: Api) -> None:
    """Five hops, then the redirect is the answer."""
    api.script.extend(web.Response(status=302, headers={"Location": "/base/x"}) for _ in range(9))
    async with api.client() as client:
        with pytest.raises(ApiError, match="302"):
            await client.get("/x")
    assert 6 == len(api.seen)


async def test_cancelled_call_gives_its_connection_back(api: Api) -> None:
    """Cancelling a call in the middle leaves nothing open, and the next one works."""
    api.script.append(hang)
    async with api.client() as client:
        await client.tokens.token()
        call = asyncio.ensure_future(client.get("/x"))
        while not api.seen:
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        assert {"ok": True} == await client.get("/x")


async def test_timeout_while_a_token_is_waited_for(api: Api) -> None:
    """DESIGN 3: the timeout covers the waiting for the token; the renewal goes on for others."""
    asked = asyncio.Event()

    async def credentials() -> PasswordCredentials:
        await asked.wait()
        return JANE

    async with ApiClient(api.flow, credentials) as client:
        with pytest.raises(RequestTimeout, match=r"^GET /base/x: no answer within 0\.05 s$"):
            await client.get("/x", timeout=0.05)
        asked.set()
        assert {"ok": True} == await client.get("/x")


async def test_challenge_without_an_end_is_latched(api: Api) -> None:
    """Rule 10a: a challenge that names no end is everybody's until it is answered."""
    api.flow.asks = True
    async with api.client() as client:
        for _ in range(2):
            with pytest.raises(ChallengeRequired):
                await client.get("/x")
    assert [] == api.seen


async def test_headers_are_asked_for_once_per_token(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 4: headers() is pure, so it is computed once per token."""
    calls = 0
    headers = api.flow.headers

    def counted(token: object) -> object:
        nonlocal calls
        calls += 1
        return headers(token)  # type: ignore[arg-type]  # it is one

    monkeypatch.setattr(api.flow, "headers", counted)
    async with api.client() as client:
        for _ in range(5):
            await client.get("/x")
        await client.login()
        await client.get("/x")
    assert 2 == calls


@pytest.mark.parametrize("bug", ["rejects", "absorb"])
async def test_a_flow_that_fails_leaves_nothing_open(api: Api, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    """An answer that a flow chokes on is closed at once: its connection is not given back, and nobody logs it."""

    def choke(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    def close(response: aiohttp.ClientResponse) -> None:
        closed.append(response.status)
        as_ever(response)

    closed, as_ever = list[int](), aiohttp.ClientResponse.close
    monkeypatch.setattr(aiohttp.ClientResponse, "close", close)
    monkeypatch.setattr(ApiFlow, bug, choke)
    async with api.client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.stream("POST", "/x").__aenter__()
        assert [200] == closed


async def test_cancelled_while_an_answer_is_ended() -> None:
    """Ending an answer lets a cancellation through, without the frames that hold its headers."""

    class Ended:
        async def __aexit__(self, *_: object) -> None:
            raise asyncio.CancelledError

    answer = Answer(cast(aiohttp.ClientResponse, Ended()), Response(200))
    with pytest.raises(asyncio.CancelledError) as caught:
        await answer.close()
    assert "close" not in [entry.name for entry in caught.traceback]
