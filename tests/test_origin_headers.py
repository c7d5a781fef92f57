"""Headers that a caller gives, cookies that an answer sets, and accounts that share a session (DESIGN 7)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from _origin import API, BASE, KINDS, Heard, Net, PlainFlow, run_net
from _raw import http
from vendorauth import ApiClient, ApiError, ConfigurationError, PasswordCredentials, ProtogridClient
from vendorauth.client import BaseClient


@pytest.fixture
async def net() -> AsyncGenerator[Net, None]:
    async with run_net() as one:
        yield one


async def refusal(client: BaseClient, headers: Any) -> str:
    """Send *headers*, whole and as a stream, which has to be refused; give the error's text."""
    with pytest.raises(ConfigurationError) as caught:
        await client.request("POST", "/x", headers=headers)
    with pytest.raises(ConfigurationError) as again:
        async with client.stream("GET", "/x", headers=headers):
            pass
    assert str(caught.value).rpartition(":")[2] == str(again.value).rpartition(":")[2]
    assert "MARK" not in str(caught.value)
    return str(caught.value)


RESERVED = ["Host", "HOST", "host", "Connection", "Upgrade", "TE", "Trailer", "Keep-Alive", "Transfer-Encoding"]
RESERVED += ["Content-Length", "Proxy-Authorization", "Proxy-Connection"]


@pytest.mark.parametrize("kind", KINDS)
async def test_host_is_not_the_callers(net: Net, kind: str) -> None:
    """A caller's Host would have a shared front end take the token to another tenant: refused before any login."""
    async with net.client(kind) as client:
        for name in RESERVED:
            assert f"the header {name!r} is set by the client" == await refusal(client, {name: "evil.test"})
    assert ([], []) == (net.lookups, net.api.heard)


NO_NAMES = [
    "Host ",
    "Host\t",
    "Host:",
    " Host",
    "\tHost",
    "\r\nHost",
    "X\r\nHost",
    "X: 1\r\nHost",
    "Host\x00",
    "Host\x0b",
    "Host\N{NO-BREAK SPACE}",
    "Ho\N{LATIN SMALL LETTER LONG S}t",
    "\N{FULLWIDTH LATIN CAPITAL LETTER H}ost",
    "X-Api-Token ",
    " X-Api-Token",
    "Authorization:",
    "Coo\N{KELVIN SIGN}ie",
    "X Y",
    "(x)",
    "",
    " ",
    ":",
]


@pytest.mark.parametrize("kind", ["api", "cookie"])
async def test_names_that_are_none(net: Net, kind: str) -> None:
    """What is no name is refused: a blank before it would continue the line before, one behind it hide a Host."""
    async with net.client(kind) as client:
        for name in NO_NAMES:
            assert "headers must map names, such as X-Request-ID, to str" == await refusal(client, {name: "evil.test"})
    assert ([], []) == (net.lookups, net.api.heard)


@pytest.mark.parametrize(
    "headers", [{1: "MARK"}, {b"Host": "MARK"}, {None: "x"}, "MARK", 5, ["MARK"], [("a", "b", "c")]]
)
async def test_headers_that_are_none(net: Net, headers: object) -> None:
    """What can't be headers is a mistake of the call's, told as such."""
    async with net.client("api") as client:
        assert "headers must map names, such as X-Request-ID, to str" == await refusal(client, headers)
    assert ([], []) == (net.lookups, net.api.heard)


async def test_values_that_are_no_text(net: Net) -> None:
    """A value is text, not what could be made text."""
    async with net.client("api") as client:
        for value in (5, b"x", None, ["x"]):
            assert "the header 'X-One' has a value that is no str" == await refusal(client, {"X-One": value})
    assert ([], []) == (net.lookups, net.api.heard)


@pytest.mark.parametrize(
    "value", ["x\r\nHost: evil.test", "x\nX: y", "x\rX: y", "x\x00", "x\r\n y", "\r\n\r\nGET / HTTP/1.1"]
)
async def test_values_that_break_lines(net: Net, value: str) -> None:
    """No value makes another header or another request; the error does not repeat it."""
    async with net.client("api") as client:
        assert "the header 'X-One' has a control character in its value" == await refusal(client, {"X-One": value})
    assert ([], []) == (net.lookups, net.api.heard)


PROOFS = {
    "api": ["X-Api-Token"],
    "proglove": ["Authorization"],
    "cookie": ["Cookie"],
    "headers": ["username", "password"],
    "basic": ["Authorization"],
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_proves_the_login_is_not_the_callers(net: Net, kind: str) -> None:
    """A second Authorization or Cookie would let a caller act as somebody else, or confuse the server: refused."""
    async with net.client(kind) as client:
        for name in PROOFS[kind]:
            for written in (name, name.upper(), name.lower(), name.title()):
                error = await refusal(client, {written: "MARK-other"})
                assert f"the header {written!r} is what proves the login; it can't be given" == error
    assert "/latest/x" not in net.api.paths
    assert "MARK-other" not in net.api.marks


@pytest.mark.parametrize(
    "method", ["GET ", "GET\r\nHost: evil.test", "", "GET /evil HTTP/1.1\r\n", "G\N{LATIN SMALL LETTER LONG S}T"]
)
async def test_methods_that_are_none(net: Net, method: str) -> None:
    """A method is one word: nothing of it breaks the line."""
    async with net.client("api") as client:
        with pytest.raises(ConfigurationError, match=r"^a method is a word of letters$"):
            await client.request(method, "/x")
    assert ([], []) == (net.lookups, net.api.heard)


@pytest.mark.parametrize("value", ["MARK\r\nHost: evil.test", "MARK\nX: y", "MARK\rX: y"])
async def test_a_token_that_breaks_lines(net: Net, value: str) -> None:
    """A token that a vendor, or somebody in its place, made to break the request's lines is not sent."""
    net.api.routes["/latest/login"] = http(msgspec.json.encode({"token": value}))
    async with net.client("api") as client:
        with pytest.raises(ConfigurationError) as caught:
            await client.request("GET", "/x")
    assert "MARK" not in str(caught.value)
    assert ["/latest/login"] == net.api.paths


# Cookies.

COOKIES = [
    "session=MARK-other; Domain=evil.test; Path=/",
    "session=MARK-other; Domain=.test",
    f"session=MARK-other; Domain={API}.evil.test",
    "other=MARK-other; Domain=evil.test",
    f"tracker=MARK-other; Domain={API}",
    "tracker=MARK-other; Path=/",
]


@pytest.mark.parametrize("kind", KINDS)
async def test_cookies_go_nowhere_else(net: Net, kind: str) -> None:
    """Pitfall 36: whatever domain a cookie names, no other host is sent anything, and only the session ever goes back."""
    lines = [f"Set-Cookie: {cookie}" for cookie in COOKIES]
    net.api.routes["/latest/x"] = http(b'{"errors": [], "result": {}}', "200 OK", *lines)
    net.login.routes["/other"] = http(b"{}", "200 OK", *lines)
    async with net.client(kind) as client:
        for path in ("/x", "/y", "/x"):
            await client.request("GET", path)
        await client.login()
        await client.request("GET", "/y")
    cookies = [cookie for one in net.api.heard for cookie in one.headers.get("cookie", [])]
    assert all(cookie.startswith("session=MARK-") and ";" not in cookie for cookie in cookies)
    assert (4 if kind == "cookie" else 0) == len(cookies)
    assert not any("cookie" in one.headers for one in net.login.heard)
    assert [] == net.leaks


async def test_a_lent_sessions_cookies(net: Net) -> None:
    """Cookies of a lent session's jar, for whatever domain, are not sent; ours never get into it (pitfall 37)."""
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"session": "MARK-jar", "other": "MARK-jar"}, URL(BASE))
    connector = net.session.connector
    assert connector is not None
    async with (
        aiohttp.ClientSession(connector=connector, connector_owner=False, cookie_jar=jar) as lent,
        net.client("cookie", session=lent) as client,
    ):
        await client.request("GET", "/x")
    assert "MARK-jar" not in net.api.marks
    assert {"MARK-jar"} == {cookie.value for cookie in jar}
    assert [] == net.leaks


# Accounts.


class Ledger:
    """Answer as a vendor whose tokens name their owner and are numbered."""

    def __init__(self) -> None:
        self.issued: dict[str, str] = {}
        self.owners: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)

    def answer(self, heard: Heard) -> bytes:
        if heard.path.endswith("/login"):
            return http(msgspec.json.encode({"token": self._issue(msgspec.json.decode(heard.body)["username"])}))
        if heard.path.endswith("/authenticate"):
            cookie = f"Set-Cookie: session={self._issue(heard.headers['username'][0])}; Path=/"
            return http(b'{"errors": [], "result": {}, "protogrid_environment_version": "1"}', "200 OK", cookie)
        (proof,) = heard.headers.get("x-api-token", []) + heard.headers.get("cookie", [])
        owner = heard.path.split("/")[2]
        self.owners.append((self.issued[owner], proof.removeprefix("session=")))
        return http(b'{"errors": [], "result": {}}', "200 OK", "Set-Cookie: other=1; Path=/")

    def _issue(self, name: str) -> str:
        self.issued[name] = f"{name}-{next(self._numbers)}"
        return self.issued[name]


@pytest.mark.parametrize("kind", ["api", "cookie"])
async def test_accounts_that_share_a_session(net: Net, kind: str) -> None:
    """Pitfalls 6, 37: over one lent session, each account's requests carry its own newest token, whoever else logs in."""
    ledger = Ledger()
    net.api.answer = ledger.answer
    people = [f"p{n}" for n in range(10)]

    def client(name: str) -> BaseClient:
        password = PasswordCredentials(name, f"password-of-{name}")
        if kind == "cookie":
            return ProtogridClient(BASE, password, session=net.session)
        return ApiClient(PlainFlow(account=f"{name}@api"), password, session=net.session)

    clients = {name: client(name) for name in people}
    for turn in range(4):
        resting, busy = people[turn::4], [name for name in people if name not in people[turn::4]]
        calls = [clients[name].request("GET", f"/{name}/{turn}/{n}") for n in range(3) for name in busy]
        await asyncio.gather(*calls, *(clients[name].login() for name in resting))
    await asyncio.gather(*(clients[name].request("GET", f"/{name}/last") for name in people))
    for one in clients.values():
        await one.aclose()
    assert 4 * 3 * 10 - 3 * 10 + 10 == len(ledger.owners)
    assert [expected for expected, _ in ledger.owners] == [proof for _, proof in ledger.owners]
    assert not net.session.closed
    assert [] == net.leaks


async def test_tokens_of_two_vendors_that_share_a_session(net: Net) -> None:
    """Two vendors on one lent session never see each other's secrets, redirected to each other or not."""
    other = "https://login.example.com/latest"
    first = net.client("api")
    second = ProtogridClient(other, PasswordCredentials("joe", "MARK-second"), session=net.session, retries=0)
    net.api.routes["/latest/to"] = http(b"", "302 Found", f"Location: {other}/x")
    net.login.routes["/latest/to"] = http(b"", "302 Found", f"Location: {BASE}/x")
    async with first, second:
        for one in (first, second):
            await one.request("GET", "/x")
            with pytest.raises(ApiError, match="302"):
                await one.request("GET", "/to")
            for origin in (BASE, other):
                if origin != str(one.tokens.flow.base_url):
                    with pytest.raises(ConfigurationError):
                        await one.request("GET", f"{origin}/x")
    assert {"MARK-password", "MARK-token"} == net.api.marks
    assert {"MARK-second", "MARK-session"} == net.login.marks
    assert [] == net.leaks
