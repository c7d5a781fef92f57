"""Proxies: what they may see, what their answers count for, and which of them is asked at all (DESIGN 7)."""

from __future__ import annotations

import asyncio
import base64
import ssl as tls
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from _origin import API, BASE, COGNITO, JANE, KINDS, Heard, Listener, Net, PlainFlow, run_net
from _raw import http
from _tls import loopback_contexts
from vendorauth import ApiClient, ConfigurationError, TransportError
from vendorauth.client import BaseClient


class Proxy(Listener):
    """Connect to where CONNECT says, as *net* knows it, and keep every byte that passes."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.passed = bytearray()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super()._serve_one(reader, writer)
        method, target = self.heard[-1].method, self.heard[-1].target
        if method != "CONNECT" or target in self.routes:
            return
        host, _, port = target.rpartition(":")
        to = self.net.names.get((host, int(port)), self.net.stranger)
        there_reader, there_writer = await asyncio.open_connection(to.host, to.port)
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            there_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while content := await reader.read(65536):
                self.passed += content
                writer.write(content)
                await writer.drain()
        writer.transport.abort()


def established(_: Heard) -> bytes:
    """Agree to a CONNECT."""
    return b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def net() -> AsyncGenerator[Net, None]:
    async with run_net() as one:
        yield one


@pytest.fixture
async def proxy(net: Net) -> AsyncGenerator[Proxy, None]:
    """Be a proxy on this machine that tunnels, reached by address."""
    async with Proxy(net) as one:
        one.answer = established
        yield one


async def use(client: BaseClient) -> None:
    """Log in, ask, renew, ask, log out."""
    async with client:
        token = await client.login()
        await client.request("GET", "/x")
        await client.tokens.renew(token)
        await client.request("POST", "/x", json={"secret": "MARK-body"})
        await client.logout()


async def ask_for_a_token(client: BaseClient) -> None:
    """Log in; with the schemes whose login sends nothing, ask whether it is good."""
    await client.tokens.renew(await client.login())


@pytest.mark.parametrize("how", ["option", "lent", "environment", "lent-environment"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_sees_hosts_only(
    net: Net, proxy: Proxy, kind: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Https through a proxy: it is told host and port, and passes what it can't read; its password stays with it."""
    url = proxy.origin.replace("//", "//joe:MARK-proxy@")
    monkeypatch.setenv("https_proxy", url if "environment" in how else "http://unused.test")
    lent = aiohttp.ClientSession(
        connector=net.session.connector,
        connector_owner=False,
        proxy=url if how == "lent" else None,
        trust_env=how == "lent-environment",
    )
    options: dict[str, Any] = {"proxy": url} if how == "option" else {"trust_env": how == "environment"}
    async with lent:
        await use(net.client(kind, session=lent, **options))
    assert {"CONNECT"} == {one.method for one in proxy.heard}
    hosts = {f"{API}:443", f"{COGNITO}:443"} if kind == "proglove" else {f"{API}:443"}
    assert hosts == {one.target for one in proxy.heard}
    names = {"host", "proxy-authorization", "user-agent", "accept", "accept-encoding"}
    assert not [name for one in proxy.heard for name in one.headers if name not in names]
    assert {f"Basic {base64.b64encode(b'joe:MARK-proxy').decode()}"} == {
        one.headers["proxy-authorization"][0] for one in proxy.heard
    }
    assert len(proxy.passed) > 1000
    assert b"MARK" not in proxy.passed
    for host in (net.api, net.login):
        assert not [name for one in host.heard for name in one.headers if name.startswith("proxy")]
        assert "MARK-proxy" not in host.marks
    assert "MARK-body" in net.api.marks
    assert [] == net.leaks


@pytest.mark.parametrize(
    "answer",
    [
        http(b"", "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="https://evil.test"'),
        http(b"", "302 Found", "Location: https://evil.test/x"),
        http(b"", "307 Temporary Redirect", f"Location: {BASE}/there"),
        http(b"", "401 Unauthorized", "Set-Cookie: session=MARK-evil; Path=/"),
        http(b'{"errors": [{"code": 401}], "result": {}}', "403 Forbidden"),
        http(b"", "429 Too Many Requests", "Retry-After: 3600"),
        http(b"", "503 Service Unavailable"),
        http(b"", "201 Created"),
    ],
    ids=lambda answer: answer.split(b" ")[1].decode(),
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxys_answer_is_not_the_vendors(net: Net, proxy: Proxy, kind: str, answer: bytes) -> None:
    """Pitfall 44: what a proxy answers is trouble on the way: no refusal, no redirect, no cookie; nothing was sent."""
    proxy.answer = lambda _: answer
    async with net.client(kind, proxy=proxy.origin) as client:
        for call in (ask_for_a_token, lambda one: one.request("GET", "/x"), ask_for_a_token):
            with pytest.raises(TransportError) as caught:
                await call(client)
            assert (False, True) == (caught.value.sent, caught.value.temporary)
        assert client.tokens.peek() is None or kind in {"headers", "basic"}
    assert ([], []) == (net.api.paths, net.login.paths)
    assert [] == net.leaks


async def test_a_proxys_refusal_keeps_the_token(net: Net, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that stops tunnelling ends nothing: the token serves again when it tunnels again."""
    monkeypatch.setattr("vendorauth._sender._BACKOFF", (0.0, 0.0))
    async with net.client("api", proxy=proxy.origin, retries=1) as client:
        token = await client.tokens.token()
        proxy.routes[f"{API}:443"] = http(b"", "407 Proxy Authentication Required", "Connection: close")
        await net.api.hang_up()
        with pytest.raises(TransportError, match="the proxy answered 407"):
            await client.request("GET", "/x")
        proxy.routes.clear()
        await client.request("GET", "/x")
        assert token is client.tokens.peek()
    assert ["/latest/login", "/latest/x"] == net.api.paths


@pytest.mark.parametrize("how", ["option", "lent", "environment", "lent-environment"])
async def test_http_stays_on_this_machine(net: Net, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http is for loopback because nobody else hears it: no other machine's proxy does, whoever named it."""
    there = "http://proxy.test:3128"
    monkeypatch.setenv("http_proxy", there if "environment" in how else "")
    lent = aiohttp.ClientSession(
        connector=net.session.connector,
        connector_owner=False,
        proxy=there if how == "lent" else None,
        trust_env=how == "lent-environment",
    )
    options: dict[str, Any] = {"proxy": there} if how == "option" else {"trust_env": how == "environment"}
    async with Listener(net.api.answer) as here, lent:
        names = {"127.0.0.1": here.origin, "localhost": f"http://localhost:{here.port}"}
        net.names["localhost", here.port] = here
        for origin in names.values():
            await use(ApiClient(PlainFlow(f"{origin}/latest"), JANE, session=lent, **options))
        assert {"MARK-password", "MARK-token", "MARK-refresh", "MARK-body"} == here.marks
    assert [] == net.leaks


async def test_a_proxy_on_this_machine(net: Net) -> None:
    """A proxy on this machine, such as a debugger's, may see plain http to this machine."""
    async with Listener(net.api.answer) as debugger:
        await use(ApiClient(PlainFlow("http://127.0.0.1:9/latest"), JANE, session=net.session, proxy=debugger.origin))
        assert {"http://127.0.0.1:9/latest/login", "http://127.0.0.1:9/latest/x"} < set(debugger.paths)
    assert [] == net.leaks


async def test_https_on_this_machine_goes_through_the_proxy(net: Net, proxy: Proxy) -> None:
    """With https a proxy sees nothing, so it is used as it was asked for."""
    net.names["127.0.0.1", net.api.port] = net.api
    await use(ApiClient(PlainFlow(f"{net.api.origin}/latest"), JANE, session=net.session, proxy=proxy.origin))
    assert {f"127.0.0.1:{net.api.port}"} == {one.target for one in proxy.heard}


async def test_no_trust_in_the_environment(net: Net, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trust_env no proxy of the environment hears of anything."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
    for kind in KINDS:
        await use(net.client(kind))
    assert (0, []) == (proxy.connections, net.leaks)


@pytest.mark.parametrize("value", ["http://[", "http://", "127.0.0.1:99999", "http://\N{ZERO WIDTH SPACE}.test"])
async def test_a_proxy_of_the_environment_that_is_none(net: Net, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Where the environment's proxy can't be right, nothing is sent past it."""
    monkeypatch.setenv("https_proxy", value)
    async with net.client("api", trust_env=True) as client:
        with pytest.raises(ConfigurationError, match=r"^proxy must be an absolute URL$"):
            await client.login()
    assert ([], []) == (net.lookups, net.api.paths)


@pytest.mark.parametrize("authority", ["another name's", "unknown"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_service_that_lies(net: Net, kind: str, authority: str, tmp_path: Path) -> None:
    """Whoever is found under the vendor's name, but has no certificate for it, is connected to and told nothing."""
    server, client_context = loopback_contexts(tmp_path)
    verifying = client_context if authority != "unknown" else tls.create_default_context()
    async with Listener(context=server) as liar:
        net.names = dict.fromkeys(net.names, liar)
        async with net.client(kind, ssl=verifying) as client:
            with pytest.raises(TransportError, match=r"certificate can't be verified$") as caught:
                await client.request("GET", "/x")
        assert not caught.value.sent
        assert (1, []) == (liar.connections, liar.heard)
    assert [] == net.leaks


@pytest.mark.parametrize("kind", KINDS)
async def test_netrc_is_never_read(
    net: Net, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: Proxy
) -> None:
    """With trust_env, ~/.netrc's passwords go neither to the vendor nor to Cognito nor to a proxy."""
    netrc = tmp_path / ".netrc"
    hosts = [API, COGNITO, "127.0.0.1", "evil.test"]
    netrc.write_text("".join(f"machine {host} login joe password MARK-netrc\n" for host in hosts))
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", proxy.origin)
    await use(net.client(kind, trust_env=True))
    for one in (proxy, net.api, net.login):
        assert "MARK-netrc" not in one.marks
        assert not any("proxy-authorization" in heard.headers for heard in one.heard)
    assert proxy.heard
    assert [] == net.leaks
