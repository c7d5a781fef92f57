"""The client for any vendor: verbs, models, options, closing."""

import asyncio
import gc
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypedDict

import aiohttp
import attrs
import pytest
from aiohttp import web

from _api import JANE, Api, ApiFlow, hang, serve
from vendorauth import (
    ApiClient,
    ApiError,
    Challenge,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    Response,
    ServerError,
    Token,
    Unauthorized,
    __version__,
)
from vendorauth._calls import Call


@pytest.fixture
async def api() -> AsyncGenerator[Api, None]:
    async with serve() as made:
        yield made


@attrs.frozen
class Answer:
    ok: bool


class Row(TypedDict):
    ok: bool


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
async def test_verbs(api: Api, verb: str) -> None:
    """Each verb sends its method to base URL and path, with the token, and gives parsed JSON."""
    async with api.client() as client:
        assert {"ok": True} == await getattr(client, verb)("/things")
    (seen,) = api.seen
    assert (verb.upper(), "/base/things", "token-1") == (seen.method, seen.path, seen.headers["Authorization"])
    assert f"vendorauth/{__version__} aiohttp/{aiohttp.__version__}" == seen.headers["User-Agent"]


async def test_models(api: Api) -> None:
    """*model* structures the answer: a class, list, dict, TypedDict; what does not fit names its path."""
    async with api.client() as client:
        assert Answer(ok=True) == await client.get("/x", model=Answer)
        assert {"ok": True} == await client.post("/x", model=dict[str, bool])
        assert {"ok": True} == await client.put("/x", model=Row)
        api.script.append(web.json_response([{"ok": False}]))
        assert [Answer(ok=False)] == await client.patch("/x", model=list[Answer])
        api.script.append(web.json_response({"ok": "yes"}))
        with pytest.raises(ProtocolError, match=r"^DELETE /base/x: the answer \(200\) .* wrong type @ \$.ok$"):
            await client.delete("/x", model=Answer)
        with pytest.raises(ConfigurationError, match="no type that JSON"):
            await client.get("/x", model=complex)


async def test_answers_that_are_no_json(api: Api) -> None:
    """204 gives None; anything else that is no JSON is a ProtocolError, and request() gives it."""
    async with api.client() as client:
        api.script.extend([web.Response(status=204), web.Response(body=b"<html>"), web.Response(body=b"<html>")])
        assert await client.get("/x") is None
        with pytest.raises(ProtocolError, match=r"^GET /base/x: the answer \(200\) is not JSON$"):
            await client.get("/x")
        answer = await client.request("GET", "/x")
        assert (200, b"<html>", None) == (answer.status, answer.content, answer.request_id)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (401, Unauthorized),
        (403, PermissionDenied),
        (404, NotFound),
        (409, ApiError),
        (418, ApiError),
        (429, RateLimited),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
        (304, ApiError),
    ],
)
async def test_errors_by_status(api: Api, status: int, kind: type[ApiError]) -> None:
    """One class for each thing a caller can do; the text names method, path and status, not the body."""
    api.script.extend(
        web.Response(status=status, body=b"secret", headers={"Retry-After": "7", "x-amzn-RequestId": "id-1"})
        for _ in range(3)
    )
    async with api.client(retries=0) as client:
        with pytest.raises(ApiError) as caught:
            await client.get("/x", params={"secret": "secret"})
    error = caught.value
    assert kind is type(error)
    assert str(error).startswith(f"GET /base/x: {status}")
    assert "secret" not in f"{error} {error!r}"
    assert (status, "id-1", 7.0) == (error.status, error.request_id, error.retry_after)


async def test_bad_calls_are_refused_before_anything_is_sent(api: Api) -> None:
    """What can't be right is a ConfigurationError, an unknown keyword a TypeError."""
    async with api.client() as client:
        for options in (
            {"json": object()},
            {"json": {}, "data": b""},
            {"params": {"a": object()}},
            {"headers": {"a": "b\r\nc: d"}},
            {"headers": {"Host": "evil.example"}},
            {"headers": {"authorization": "mine"}},
            {"timeout": 0},
            {"data": 5},
        ):
            with pytest.raises(ConfigurationError):
                await client.post("/x", **options)
        for path in ("https://evil.example/", "//evil.example/", "/../x", "/%2e%2e/x", "/a b", "/x#y", "/\\evil"):
            with pytest.raises(ConfigurationError):
                await client.get(path)
        with pytest.raises(TypeError, match="parms"):
            await client.get("/x", parms={})  # type: ignore[call-overload]  # that is the point
    assert [] == api.seen


def test_bad_options_are_refused_when_the_client_is_made() -> None:
    """A client that can't work is not made."""
    api = Api(url="https://api.example")
    api.flow = ApiFlow(api.url)
    for options in ({"timeout": 0}, {"timeout": True}, {"timeout": None}, {"retries": -1}, {"retries": None}):
        with pytest.raises(ConfigurationError):
            api.client(**options)
    with pytest.raises(TypeError, match="stoer"):
        api.client(stoer=None)


async def test_stream(api: Api) -> None:
    """stream() gives aiohttp's response with its body unread, after replays, and releases it."""
    api.refused.add("token-1")
    async with api.client() as client:
        api.script.append(web.Response(body=b"x" * 100_000))
        async with client.stream("GET", "/big") as response:
            assert 100_000 == len(await response.read())
        api.script.append(web.Response(status=404))
        with pytest.raises(NotFound):
            async with client.stream("GET", "/none"):
                pytest.fail("there is nothing to stream")
    assert ["token-1", "token-2", "token-2"] == api.used


async def test_persons_time_does_not_count(api: Api) -> None:
    """DESIGN 3: timeout covers the waiting for a token, but not the time of a person in on_challenge."""
    api.flow.asks = True
    thinking = asyncio.Event()

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        asyncio.get_running_loop().call_later(0.3, thinking.set)
        await thinking.wait()
        return {}

    async with api.client(timeout=0.2, on_challenge=on_challenge) as client:
        assert {"ok": True} == await client.get("/x")


async def test_closed_client_raises_until_entered_again(api: Api) -> None:
    """Rule 14: calls after aclose() raise RuntimeError; async with opens it again."""
    client = api.client()
    async with client:
        await client.get("/x")
    with pytest.raises(RuntimeError, match="closed"):
        await client.get("/x")
    async with client:
        await client.get("/x")


def test_works_in_a_later_run(unused_tcp_port: int) -> None:
    """Rule 15: one client, two runs of asyncio.run, even when nobody closed it between."""
    flow = ApiFlow(f"http://127.0.0.1:{unused_tcp_port}/base")
    client = ApiClient(flow, JANE)

    async def call(*, close: bool) -> None:
        async with serve(port=unused_tcp_port):
            await client.get("/x")
            if close:
                await client.aclose()
            elif client._sessions._session is not None:
                await client._sessions._session.close()

    asyncio.run(call(close=False))
    asyncio.run(call(close=True))


async def test_never_closed_is_warned_about(api: Api) -> None:
    """A client that nobody closes is a ResourceWarning, and one that was never used is not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = api.client()
        await client.get("/x")
        del client
        for _ in range(50):  # until nothing that the loop has still to do holds it
            await asyncio.sleep(0)
        gc.collect()
        unused = api.client()
        del unused
        gc.collect()
    assert any("never closed" in str(one.message) for one in caught)


async def test_login_and_logout(api: Api) -> None:
    """They are the token source's."""
    async with api.client() as client:
        token = await client.login()
        assert token is client.tokens.peek()
        await client.logout()
        assert client.tokens.peek() is None


async def test_only_few_paths_are_kept(api: Api) -> None:
    """However many paths a client has called, it keeps a few of them, once each: a pool has thousands of clients."""

    def kept() -> int:
        gc.collect()
        return sum(type(one) is Call and "/kept/" in one.label for one in gc.get_objects())

    async with api.client() as client:
        for number in range(100):
            client._prepared("GET", f"/kept/{number}", {})
        assert 0 < kept() <= 32
        again = [client._prepared("GET", f"/kept/{number}", {})[0] for number in (99, 99)]
        assert again[0] is again[1]


async def test_repr_tells_who_and_where(api: Api) -> None:
    """The client's repr has account, base URL and state; an answer's has its size, not its content."""
    async with api.client() as client:
        answer = await client.request("GET", "/x")
        assert f"<ApiClient of jane@api at {api.url}: fresh>" == repr(client)
        assert "<ApiResponse 200 to GET /base/x, 12 bytes>" == repr(answer)
        assert "application/json; charset=utf-8" == answer.headers["Content-Type"]


async def test_two_accounts_on_one_borrowed_session(api: Api) -> None:
    """A borrowed session is shared, keeps its own cookies to itself, and is never closed."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"X-Mine": "1"}) as session:
        session.cookie_jar.update_cookies({"session": "somebody else's"}, response_url=api.flow.base_url)
        async with api.client(session=session) as first, api.client(session=session) as second:
            await asyncio.gather(first.get("/x"), second.get("/x"))
        assert not session.closed
        assert session.connector is not None
        assert not session.connector.closed
    assert not any("Cookie" in request.headers or "X-Mine" in request.headers for request in api.seen)
    async with api.client(session=session) as client:
        with pytest.raises(ConfigurationError, match="is closed"):
            await client.get("/x")


async def test_timeout_covers_the_whole_call(api: Api) -> None:
    """A call ends after its timeout, whatever it waits for."""
    async with api.client(timeout=0.05) as client:
        api.script.append(hang)
        with pytest.raises(RequestTimeout, match=r"^GET /base/x: no answer within 0.05 s$"):
            await client.get("/x")
        assert {"ok": True} == await client.get("/x", timeout=float("inf"))


async def test_call_that_waits_to_be_retried_does_not_reopen_a_closed_client(api: Api) -> None:
    """Rule 14: its next try raises RuntimeError, and no session is left open."""
    api.script.append(web.Response(status=503, headers={"Retry-After": "0.2"}))
    client = api.client()
    call = asyncio.ensure_future(client.get("/x"))
    while not api.seen:
        await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await call


class DictStore(dict[str, Token]):
    """A user's store that is empty, hence falsy."""

    async def load(self, account: str) -> Token | None:
        return self.get(account)

    async def save(self, account: str, token: Token) -> None:
        self[account] = token

    async def delete(self, account: str) -> None:
        self.pop(account, None)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()


async def test_empty_store_is_a_store(api: Api) -> None:
    """A store is used whatever bool() says of it."""
    store = DictStore()
    async with api.client(store=store) as client:
        await client.get("/x")
    assert "token-1" == store["jane@api"].value


def test_bad_proxy(api_flow: ApiFlow) -> None:
    """A proxy that can't be right is refused when the client is made."""
    for proxy in ("proxy:8080", "http://[", 5):
        with pytest.raises(ConfigurationError, match="proxy"):
            ApiClient(api_flow, JANE, proxy=proxy)  # type: ignore[arg-type]  # that is the point


@pytest.fixture
def api_flow() -> ApiFlow:
    return ApiFlow("https://api.example/base")


class TellingFlow(ApiFlow):
    """Know a refusal by its body."""

    def rejects(self, response: Response) -> bool:
        return b"token_expired" in (response.body or b"")


async def test_refusal_that_only_the_flow_knows(api: Api) -> None:
    """DESIGN 6: a flow may reject a 200; if that does not end, it is Unauthorized."""
    api.flow = TellingFlow(api.url)
    api.script.extend(web.json_response({"error": "token_expired"}) for _ in range(3))
    async with api.client() as client:
        with pytest.raises(Unauthorized, match=r"a renewed token was refused as well$"):
            await client.get("/x")
