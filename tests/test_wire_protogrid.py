"""Each documented request to Protogrid, exactly: as handed to aiohttp, and once as bytes on a socket."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from aioresponses import aioresponses
from yarl import URL

from _mocked import Asked, Mocked
from _raw import RawServer, head_of, http
from vendorauth import PasswordCredentials, ProtogridClient
from vendorauth.engine.sessions import USER_AGENT
from vendorauth.protogrid import App

BASE = "https://example.protogrid.com"
AUTHENTICATE = f"{BASE}/api/v2/authenticate"
JANE = PasswordCredentials("tester@test.com", "test_password")
BASIC = "Basic " + b64encode(b"tester@test.com:test_password").decode()
VERSION = {"protogrid_environment_version": "1.4.10"}
SUCCESS = {"errors": [], "result": "Login successful!"} | VERSION
COOKIE = {"Set-Cookie": "session=abc.def-1; HttpOnly; Path=/"}
APPS = {"errors": [], "result": [{"app_id": "app1", "title": "Example"}]} | VERSION

LOGINS: dict[Literal["headers", "basic", "body"], tuple[dict[str, str], object]] = {
    "headers": (
        {
            "Accept": "application/json",
            "user_id": "tester@test.com",
            "user_secret": "test_password",
            "username": "tester@test.com",
            "password": "test_password",
        },
        None,
    ),
    "basic": ({"Accept": "application/json", "Authorization": BASIC}, None),
    "body": (
        {"Accept": "application/json", "Content-Type": "application/json"},
        {"username": "tester@test.com", "password": "test_password"},
    ),
}
PROOFS: dict[Literal["headers", "basic"], dict[str, str]] = {
    "headers": {"username": "tester@test.com", "password": "test_password"},
    "basic": {"Authorization": BASIC},
}
LOGIN_WITH = pytest.mark.parametrize("login_with", sorted(LOGINS))
SCHEME = pytest.mark.parametrize("scheme", sorted(PROOFS))


@pytest.fixture
def vendor() -> Iterator[Mocked]:
    with aioresponses() as responses:
        yield Mocked(responses)


def read(asked: Asked) -> Asked:
    return asked._replace(body=json.loads(asked.body)) if isinstance(asked.body, bytes) else asked


@LOGIN_WITH
async def test_login(login_with: Literal["headers", "basic", "body"], vendor: Mocked) -> None:
    """A login is one POST, with credentials in the headers of both generations, in HTTP Basic, or in a JSON body."""
    vendor.answer("POST", AUTHENTICATE, SUCCESS, headers=COOKIE)
    async with ProtogridClient(BASE, JANE, login_with=login_with) as grid:
        assert "abc.def-1" == (await grid.tokens.token()).value
    headers, body = LOGINS[login_with]
    assert [Asked("POST", URL(AUTHENTICATE), headers, body)] == [read(one) for one in vendor.asked]


async def test_the_older_name_of_the_user(vendor: Mocked) -> None:
    """``user_email`` takes the place of ``user_id`` where an old server wants it."""
    vendor.answer("POST", AUTHENTICATE, SUCCESS, headers=COOKIE)
    async with ProtogridClient(BASE, JANE, user_header="user_email") as grid:
        await grid.tokens.token()
    headers = {**LOGINS["headers"][0], "user_email": "tester@test.com"}
    del headers["user_id"]
    assert headers == vendor.asked[0].headers


async def test_the_session_proves_requests(vendor: Mocked) -> None:
    """The session goes as a cookie with every request, and nothing else does."""
    vendor.answer("POST", AUTHENTICATE, SUCCESS, headers=COOKIE)
    vendor.answer("GET", f"{BASE}/api/v2/apps", APPS)
    vendor.answer("GET", f"{BASE}/api/v2/apps/my%2Fapp", {"errors": [], "result": {"app_id": "my/app"}})
    async with ProtogridClient(BASE, JANE) as grid:
        assert [App(app_id="app1", title="Example")] == await grid.apps()
        assert App(app_id="my/app") == await grid.app("my/app")
    proof = {"Cookie": "session=abc.def-1"}
    assert Asked("GET", URL(f"{BASE}/api/v2/apps"), proof, None) == vendor.asked[1]
    assert Asked("GET", URL(f"{BASE}/api/v2/apps/my%2Fapp", encoded=True), proof, None) == vendor.asked[2]


@SCHEME
async def test_credentials_with_every_request(scheme: Literal["headers", "basic"], vendor: Mocked) -> None:
    """Without a login, the credentials go with every request under the names documented since 2022, or as Basic."""
    vendor.answer("GET", f"{BASE}/api/v2/apps?limit=1", APPS)
    vendor.answer("POST", f"{BASE}/api/v2/x", SUCCESS)
    async with ProtogridClient(BASE, JANE, scheme=scheme) as grid:
        await grid.get("/api/v2/apps", params={"limit": 1})
        await grid.post("/api/v2/x", json={"a": 1})
    content_type = {"Content-Type": "application/json"}
    assert [
        Asked("GET", URL(f"{BASE}/api/v2/apps?limit=1"), PROOFS[scheme], None),
        Asked("POST", URL(f"{BASE}/api/v2/x"), PROOFS[scheme] | content_type, {"a": 1}),
    ] == [read(one) for one in vendor.asked]


@SCHEME
async def test_asking_whether_credentials_are_good(scheme: Literal["headers", "basic"], vendor: Mocked) -> None:
    """A refused request of these schemes asks /authenticate once, in the scheme's own way (rule 10)."""
    vendor.answer("POST", AUTHENTICATE, SUCCESS)
    async with ProtogridClient(BASE, JANE, scheme=scheme) as grid:
        await grid.tokens.renew(await grid.tokens.token())
    assert [Asked("POST", URL(AUTHENTICATE), *LOGINS[scheme])] == vendor.asked


def common(server: RawServer) -> dict[str, list[str]]:
    """Be the headers that every request has."""
    return {
        "host": [server.origin.removeprefix("http://")],
        "user-agent": [USER_AGENT],
        "accept": ["*/*"],
        "accept-encoding": head_of(server.received[0])["accept-encoding"],
    }


def arrived(received: bytes) -> tuple[bytes, dict[str, list[str]], bytes]:
    return received.partition(b"\r\n")[0], head_of(received), received.partition(b"\r\n\r\n")[2]


def answer(value: object, *headers: str) -> bytes:
    return http(json.dumps(value).encode(), "200 OK", "Content-Type: application/json", *headers)


def lower(headers: dict[str, str]) -> dict[str, list[str]]:
    return {name.lower(): [value] for name, value in headers.items()}


@LOGIN_WITH
async def test_the_bytes_of_a_session(login_with: Literal["headers", "basic", "body"]) -> None:
    """What really arrives of a login and of a GET with its cookie: no header, no byte that was not meant."""
    steps = [answer(SUCCESS, "Set-Cookie: session=abc.def-1; HttpOnly; Path=/"), answer(APPS)]
    async with RawServer(*steps) as server:
        async with ProtogridClient(server.origin, JANE, login_with=login_with) as grid:
            await grid.get("/api/v2/apps")
        headers, value = LOGINS[login_with]
        body = b"" if value is None else b'{"username":"tester@test.com","password":"test_password"}'
        login = common(server) | lower(headers) | {"content-length": [str(len(body))]}
        assert [
            (b"POST /api/v2/authenticate HTTP/1.1", login, body),
            (b"GET /api/v2/apps HTTP/1.1", common(server) | {"cookie": ["session=abc.def-1"]}, b""),
        ] == [arrived(one) for one in server.received]


@SCHEME
async def test_the_bytes_of_the_other_schemes(scheme: Literal["headers", "basic"]) -> None:
    """What really arrives of a GET that carries the credentials itself."""
    async with RawServer(answer(APPS)) as server:
        async with ProtogridClient(server.origin, JANE, scheme=scheme) as grid:
            await grid.get("/api/v2/apps")
        expected: Any = (b"GET /api/v2/apps HTTP/1.1", common(server) | lower(PROOFS[scheme]), b"")
        assert [expected] == [arrived(one) for one in server.received]
