"""Owning or borrowing the HTTP session: what is taken from a lent one, what is not, and who closes what."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from yarl import URL

from _raw import RawServer, Step, head_of, http
from vendorauth.engine import sessions as module
from vendorauth.engine.sessions import USER_AGENT, Sessions
from vendorauth.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as one:
        yield one


async def get(sessions: Sessions, url: str, **headers: str) -> int:
    """Send a GET and read its answer."""
    async with await sessions.send(
        "GET", URL(url), {name.replace("_", "-"): text for name, text in headers.items()}
    ) as answer:
        await answer.read()
        return answer.status


async def test_what_we_say(server: RawServer) -> None:
    """Requests say who we are, once, and carry the caller's headers; nothing else but what HTTP wants."""
    sessions = Sessions()
    assert 200 == await get(sessions, f"{server.origin}/x", X_One="1")
    await sessions.close()
    headers = head_of(server.received[0])
    assert [USER_AGENT] == headers["user-agent"]
    assert USER_AGENT.startswith("vendorauth/")
    assert f" aiohttp/{aiohttp.__version__}" in USER_AGENT
    assert {"host", "accept", "accept-encoding", "user-agent", "x-one"} == set(headers)


async def test_no_redirects_and_no_cookies(server: RawServer) -> None:
    """Redirects come back as answers; cookies are never kept (pitfall 36)."""
    server.steps = [Step(http(b"", "302 Found", "Location: /elsewhere", "Set-Cookie: session=MARK; Path=/"))]
    sessions = Sessions()
    assert 302 == await get(sessions, f"{server.origin}/x")
    assert 200 == await get(sessions, f"{server.origin}/x")
    await sessions.close()
    assert ["GET /x HTTP/1.1"] * 2 == [one.decode().partition("\r\n")[0] for one in server.received]
    assert "cookie" not in head_of(server.received[1])


async def intrude(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    request.headers["X-Middleware"] = "MARK"
    return await handler(request)


async def test_what_is_not_taken_from_a_lent_session(server: RawServer) -> None:
    """Its jar, default headers, auth, middlewares, base URL and raise_for_status are not ours (pitfall 37)."""
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"session": "MARK", "other": "MARK"}, URL(server.origin))
    lent = aiohttp.ClientSession(
        base_url="http://nonexistent.invalid/",
        cookie_jar=jar,
        headers={"X-Default": "MARK", "Authorization": "MARK"},
        middlewares=(intrude,),
        raise_for_status=True,
    )
    server.steps = [Step(http(b"no", "404 Not Found", "Set-Cookie: session=NEW; Path=/"))]
    sessions = Sessions(lent)
    assert 404 == await get(sessions, f"{server.origin}/x", Cookie="session=ours")
    await sessions.close()
    assert b"MARK" not in server.received[0]
    assert ["session=ours"] == head_of(server.received[0])["cookie"]
    assert {"MARK"} == {cookie.value for cookie in jar}
    await lent.close()


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed:DeprecationWarning")
async def test_a_lent_sessions_auth(server: RawServer) -> None:
    """Basic auth of a lent session does not go out in place of our header, or with it."""
    lent = aiohttp.ClientSession(auth=aiohttp.BasicAuth("jane", "MARK"))
    sessions = Sessions(lent)
    await get(sessions, f"{server.origin}/x", Authorization="ours")
    await get(sessions, f"{server.origin}/x")
    await sessions.close()
    await lent.close()
    assert ["ours"] == head_of(server.received[0])["authorization"]
    assert "authorization" not in head_of(server.received[1])


async def test_a_lent_connector_and_trace_configs(server: RawServer) -> None:
    """A lent session's connections are shared, and its trace configs see our requests; it is never closed."""
    seen: list[str] = []

    async def begun(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begun)
    lent = aiohttp.ClientSession(trace_configs=[trace])
    async with lent.get(f"{server.origin}/theirs") as answer:
        await answer.read()
    sessions = Sessions(lent)
    await get(sessions, f"{server.origin}/ours")
    await sessions.close()
    assert (["/theirs", "/ours"], 1, False) == (seen, server.connections, lent.closed)
    async with lent.get(f"{server.origin}/theirs") as answer:
        assert 200 == answer.status
    await lent.close()


async def test_a_lent_session_that_is_closed(server: RawServer) -> None:
    """A lent session that is closed, before or after the first request, is told as a mistake."""
    lent = aiohttp.ClientSession()
    sessions = Sessions(lent)
    await get(sessions, f"{server.origin}/x")
    await lent.close()
    for one in (sessions, Sessions(lent)):
        with pytest.raises(ConfigurationError, match=r"^the session that was lent to this client is closed$"):
            await get(one, f"{server.origin}/x")
    await sessions.close()


async def test_closing(server: RawServer) -> None:
    """Closed, it holds nothing and opens nothing until it is opened again; closing twice is fine."""
    sessions = Sessions()
    await get(sessions, f"{server.origin}/x")
    await sessions.close()
    await sessions.close()
    with pytest.raises(RuntimeError, match=r"^this client is closed; enter it again with `async with`$"):
        await get(sessions, f"{server.origin}/x")
    sessions.reopen()
    assert 200 == await get(sessions, f"{server.origin}/x")
    await sessions.close()
    assert 2 == server.connections


# What was never closed is warned of by aiohttp and asyncio as well, whenever it is collected.
UNCLOSED = pytest.mark.filterwarnings("ignore:(?i)unclosed:ResourceWarning")


@UNCLOSED
async def test_never_closed(server: RawServer) -> None:
    """Dropped without having been closed, it warns (pitfall 48)."""
    sessions = Sessions()
    await get(sessions, f"{server.origin}/x")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del sessions
        gc.collect()
    assert "a vendorauth client was never closed: use `async with` or aclose()" in [str(one.message) for one in seen]
    await asyncio.sleep(0)


async def test_never_used() -> None:
    """What has opened nothing, or is closed, warns of nothing."""
    sessions, closed = Sessions(), Sessions()
    await closed.close()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del sessions, closed
        gc.collect()
    assert [] == seen


@UNCLOSED
def test_a_later_event_loop() -> None:
    """Used in one `asyncio.run` and closed there, or not, it works in the next (rule 15)."""
    sessions = Sessions()

    async def once(*, close: bool) -> int:
        sessions.reopen()
        async with RawServer() as server:
            status = await get(sessions, f"{server.origin}/x")
            if close:
                await sessions.close()
            return status

    assert 200 == asyncio.run(once(close=True))
    assert 200 == asyncio.run(once(close=False))
    assert 200 == asyncio.run(once(close=True))


# Proxies.


@pytest.mark.parametrize("proxy", ["", "proxy.example", "//proxy.example", "http://", "http://[::1", 5, None])
def test_what_is_no_proxy(proxy: Any) -> None:
    """A proxy that can't be right is told when the client is made; none is none."""
    if proxy is None:
        assert Sessions(proxy=proxy)._proxy_for(URL("http://a.example")) is None
        return
    with pytest.raises(ConfigurationError, match=r"^proxy must be an absolute URL$"):
        Sessions(proxy=proxy)


async def asked_through(proxy: RawServer, sessions: Sessions) -> list[bytes]:
    """Ask for a host that only a proxy can reach; give the proxy's request lines."""
    assert 200 == await get(sessions, "http://nonexistent.invalid/x", Authorization="ours")
    await sessions.close()
    return [one.partition(b"\r\n")[0] for one in proxy.received]


THROUGH = [b"GET http://nonexistent.invalid/x HTTP/1.1"]


async def test_our_proxy(server: RawServer) -> None:
    """A proxy of our own is used, given as text or URL, and goes before a lent session's."""
    async with RawServer() as other:
        lent = aiohttp.ClientSession(proxy=other.origin)
        assert THROUGH == await asked_through(server, Sessions(lent, proxy=server.origin))
        assert THROUGH * 2 == await asked_through(server, Sessions(proxy=URL(server.origin)))
        await lent.close()
        assert [] == other.received


async def test_a_lent_proxy(server: RawServer) -> None:
    """A lent session's proxy is used."""
    lent = aiohttp.ClientSession(proxy=server.origin)
    assert THROUGH == await asked_through(server, Sessions(lent))
    await lent.close()


@pytest.mark.parametrize("lend", [False, True])
async def test_the_environments_proxy(lend: bool, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With trust_env, ours or a lent session's, the environment's proxy is used, but for hosts that no_proxy names."""
    monkeypatch.setenv("http_proxy", server.origin)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    lent = aiohttp.ClientSession(trust_env=True) if lend else None
    assert THROUGH == await asked_through(server, Sessions(lent, trust_env=not lend))
    direct = Sessions(lent, trust_env=not lend)
    await get(direct, f"{server.origin}/direct")
    await direct.close()
    assert server.received[1].startswith(b"GET /direct ")
    if lent:
        await lent.close()


async def test_no_trust(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trust_env the environment's proxy is not asked."""
    async with RawServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        lent = aiohttp.ClientSession()
        for one in (Sessions(), Sessions(lent)):
            await get(one, f"{server.origin}/x")
            await one.close()
        await lent.close()
        assert (2, []) == (len(server.received), proxy.received)


@pytest.mark.parametrize("lend", [False, True])
async def test_netrc_is_not_sent(
    lend: bool, server: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With trust_env, aiohttp sends ~/.netrc's passwords; we never do, with a header of ours or without."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin jane\npassword MARK\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    lent = aiohttp.ClientSession(trust_env=True) if lend else None
    sessions = Sessions(lent, trust_env=True)
    await get(sessions, f"{server.origin}/x")
    await get(sessions, f"{server.origin}/x", Authorization="ours")
    await sessions.close()
    if lent:
        await lent.close()
    assert "authorization" not in head_of(server.received[0])
    assert ["ours"] == head_of(server.received[1])["authorization"]


async def test_no_timeouts_of_its_own(server: RawServer) -> None:
    """The five minutes of aiohttp do not count: whoever sends keeps the time of a whole call."""
    sessions = Sessions()
    await get(sessions, f"{server.origin}/x")
    session: Any = sessions._session
    assert (None, None) == (session.timeout.total, session.timeout.sock_connect)
    await sessions.close()


@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "proxy.example:3128"])
def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A proxy without a scheme is an http proxy, as it is for curl."""
    monkeypatch.setenv("http_proxy", proxy)
    assert URL("http://proxy.example:3128") == module._env_proxy(URL("http://api.example/"))
    assert module._env_proxy(URL("https://api.example/")) is None
    monkeypatch.setenv("no_proxy", "api.example")
    assert module._env_proxy(URL("http://api.example/")) is None


async def test_a_session_lent_before_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 15: in a forked child its connections are the parent's, whose answers must not get mixed up: it is refused."""
    async with aiohttp.ClientSession() as lent, RawServer() as server:
        sessions = Sessions(lent)
        monkeypatch.setattr("vendorauth.engine.sessions.os.getpid", lambda: -1)
        with pytest.raises(ConfigurationError, match="before the fork"):
            await sessions.send("GET", URL(server.origin), {})
    assert [] == server.received


def test_plain_http_to_this_machine_meets_no_proxy() -> None:
    """DESIGN 7: plain http is allowed to loopback because it stays on this machine; another machine's proxy is passed by."""
    sessions = Sessions(proxy="http://proxy.example:3128")
    assert sessions._proxy_for(URL("http://127.0.0.1:8000/x")) is None
    assert URL("http://proxy.example:3128") == sessions._proxy_for(URL("https://127.0.0.1:8000/x"))
    assert URL("http://127.0.0.1:3128") == Sessions(proxy="http://127.0.0.1:3128")._proxy_for(URL("http://localhost/x"))
