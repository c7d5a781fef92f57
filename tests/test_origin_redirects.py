"""Redirects of API requests: the token follows them on its own origin only, hop by hop; strangers count (DESIGN 7)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from _origin import API, BASE, COGNITO, JANE, KINDS, STATUSES, Net, PlainFlow, redirect, run_net
from _raw import http
from vendorauth import ApiClient, ApiError, VendorAuthError
from vendorauth.client import BaseClient


@pytest.fixture
async def net() -> AsyncGenerator[Net, None]:
    async with run_net() as one:
        yield one


async def outcome(client: BaseClient, method: str = "GET", path: str = "/x", *, stream: bool = False) -> str:
    """Send, whole or as a stream; give the error's kind and status, or the path that answered."""
    try:
        if stream:
            async with client.stream(method, path) as answer:
                return answer.url.raw_path
        await client.request(method, path)
    except ApiError as error:
        return f"{type(error).__name__} {error.status}"
    except VendorAuthError as error:
        return type(error).__name__
    return "answered"


ELSEWHERE: list[str | bytes] = [
    "https://evil.test/x",
    "HTTPS://EVIL.TEST/x",
    "//evil.test/x",
    "//evil.test",
    "/\t/evil.test/x",
    "ht\ttps://evil.test/x",
    f"http://{API}/x",
    f"http://{API}:443/x",
    f"https://{API}:8443/x",
    f"https://{API}:0/x",
    f"https://{API}:80/x",
    f"https://{API}./x",
    f"https://{API}.evil.test/x",
    f"https://evil.{API}/x",
    f"https://{API}@evil.test/x",
    f"https://{API}:443@evil.test/x",
    f"https://{API}%40evil.test/x",
    f"https://evil.test#@{API}/x",
    f"https://evil.test?@{API}/x",
    f"https://evil.test\\@{API}/x",
    f"https://{API}\\@evil.test/x",
    f"https://{API}\\.evil.test/x",
    f"//{API}\\@evil.test/x",
    f"https://jane@{API}/x",
    f"https://jane:pw@{API}/x",
    f"https://:@{API}/x",
    "https://аpi.example.com/x",  # noqa: RUF001  a Cyrillic a
    "https://xn--pi-8ia.example.com/x",
    f"https://{API}\t.evil.test/x",
    f"https://{API}\N{IDEOGRAPHIC FULL STOP}evil.test/x",
    f"https://{API}\N{ZERO WIDTH SPACE}.evil.test/x",
    f"https://{COGNITO}/login",
    "http://2130706434/x",
    "http://0x7f.2/x",
    "https://0177.0.0.2/x",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:,x",
    "ws://evil.test/x",
    f"wss://{API}/x",
    "ftp://evil.test/x",
    "https://",
    "http://[",
    b"https://\xffvil.test/x",
    b"//evil.test/\xff",
    b"//evil.test\r\nX-More: 1",
]
HERE = {
    "/latest/there": "/latest/there",
    "there": "/latest/there",
    "?x=1": "/latest/x",
    f"//{API}/there": "/there",
    f"https://{API}/there": "/there",
    f"https://{API}:443/there": "/there",
    f"HTTPS://{API.upper()}/there": "/there",
    f"https://{API}/there#evil.test": "/there",
    "/\\evil.test": "/%5Cevil.test",
    "\\\\evil.test": "/latest/%5C%5Cevil.test",
    "/@evil.test": "/@evil.test",
    "/%2F/evil.test": "/%2F/evil.test",
    "/é": "/%C3%A9",
}


async def test_strangers_can_be_reached(net: Net) -> None:
    """The proof proves something: a client that follows redirects gives its header to each kind of stranger."""
    for location in (f"https://{API}.evil.test/x", f"http://{API}/x", *net.locations):
        net.api.routes["/x"] = redirect(location)
        async with net.session.get(f"https://{API}/x", headers={"X-Api-Token": "MARK-token"}) as answer:
            assert 200 == answer.status
    listening = [one for one in net.strangers if one.port]
    assert [{"MARK-token"}] * len(listening) == [one.marks for one in listening]
    assert 2 + len(listening) == len(net.leaks)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS)
async def test_no_location_leads_the_token_elsewhere(net: Net, kind: str, stream: bool) -> None:
    """A redirect to anybody else is the call's error, however it is written; nobody else is even looked up."""
    places = [*ELSEWHERE, *net.locations]
    async with net.client(kind) as client:
        outcomes = []
        for location in places:
            net.api.routes["/latest/x"] = redirect(location)
            outcomes.append(await outcome(client, stream=stream))
    assert ["ApiError 302"] * len(places) == outcomes
    assert ["/latest/x"] * len(places) == net.api.paths[-len(places) :]
    assert [] == net.leaks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_same_origin(net: Net, kind: str, method: str) -> None:
    """A redirect to the same origin is followed with the token, however it is written, and only with GET and HEAD."""
    net.api.routes["/latest/y"] = redirect("/latest/there")
    async with net.client(kind) as client:
        for location, path in HERE.items():
            net.api.routes["/latest/x"] = redirect(location)
            assert ("answered" if path != "/latest/x" else "ApiError 302") == await outcome(client, method)
            assert path == net.api.paths[-1]
            assert net.api.heard[-2].headers == net.api.heard[-1].headers
        assert "/latest/there" == await outcome(client, method, "/y", stream=True)
    assert [] == net.leaks


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_status(net: Net, kind: str, status: int) -> None:
    """All five statuses are treated alike: GET and HEAD follow here and not elsewhere, other methods never."""
    expected = {
        "/latest/there": {"GET": "answered", "HEAD": "answered"},
        "//evil.test/x": {},
        f"http://{API}/latest/there": {},
    }
    async with net.client(kind) as client:
        for location, answers in expected.items():
            net.api.routes["/latest/x"] = redirect(location, status)
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
                heard = len(net.api.heard)
                assert answers.get(method, f"ApiError {status}") == await outcome(client, method)
                if net.api.paths[heard] != "/latest/x":
                    heard += 1  # the login
                assert ["/latest/x", "/latest/there"][: 1 + (method in answers)] == net.api.paths[heard:]
    assert [] == net.leaks


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_other_statuses_of_the_3xx(net: Net, status: int) -> None:
    """What is no redirect is not followed: "use that proxy" (305) least of all."""
    async with net.client("api") as client:
        for location in ("/latest/there", net.plain_stranger.origin):
            net.api.routes["/latest/x"] = http(b"", f"{status} X", f"Location: {location}")
            assert f"ApiError {status}" == await outcome(client)
    assert ["/latest/x"] * 2 == net.api.paths[1:]
    assert [] == net.leaks


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hops", range(1, 6))
async def test_each_hop_is_checked(net: Net, kind: str, hops: int, stream: bool) -> None:
    """Pitfall 34: same-origin hops, then one that leads elsewhere (and would lead back): the chain ends before it."""
    for n in range(1, hops):
        net.api.routes[f"/latest/{n}"] = redirect(f"/latest/{n + 1}")
    net.api.routes[f"/latest/{hops}"] = redirect("https://evil.test/back")
    net.stranger.routes["/back"] = redirect(f"{BASE}/there")
    async with net.client(kind) as client:
        assert "ApiError 302" == await outcome(client, path="/1", stream=stream)
    assert [f"/latest/{n}" for n in range(1, hops + 1)] == net.api.paths[-hops:]
    assert [] == net.leaks


async def test_the_base_of_a_relative_location_is_the_hop_before(net: Net) -> None:
    """A relative Location counts from where it was answered; no hop turns it into another host's."""
    net.api.routes["/latest/x"] = redirect(f"https://{API}/a/b")
    net.api.routes["/a/b"] = redirect("../c//evil.test")
    async with net.client("api") as client:
        assert "answered" == await outcome(client)
    assert ["/latest/x", "/a/b", "/c//evil.test"] == net.api.paths[1:]
    assert [] == net.leaks


@pytest.mark.parametrize("location", ["/latest/x", "", "#", f"{BASE}/x"])
async def test_a_circle_ends(net: Net, location: str) -> None:
    """After five hops the redirect is the answer, also where it leads to itself."""
    net.api.routes["/latest/x"] = redirect(location)
    async with net.client("api") as client:
        for stream in (False, True):
            assert "ApiError 302" == await outcome(client, stream=stream)
    assert ["/latest/x"] * 12 == net.api.paths[1:]
    assert [] == net.leaks


@pytest.mark.parametrize("second", ["https://evil.test/x", "/latest/elsewhere", "/latest/there"])
@pytest.mark.parametrize("swapped", [False, True])
async def test_several_locations(net: Net, second: str, swapped: bool) -> None:
    """Of several Location headers none is followed: one of them is somebody else's."""
    first, second = ("/latest/there", second)[:: -1 if swapped else 1]
    net.api.routes["/latest/x"] = redirect(first, 302, f"Location: {second}")
    async with net.client("api") as client:
        assert "ApiError 302" == await outcome(client)
        assert "ApiError 302" == await outcome(client, stream=True)
    assert ["/latest/x"] * 2 == net.api.paths[1:]
    assert [] == net.leaks


async def test_a_folded_location(net: Net) -> None:
    """A Location over two lines (obsolete folding) leads nowhere else, whether the parser takes it or not."""
    net.api.routes["/latest/x"] = redirect(b"/latest/\r\n //evil.test/x")
    async with net.client("api") as client:
        assert await outcome(client) in {"answered", "ProtocolError", "ApiError 302"}
    assert [] == net.leaks


@pytest.mark.parametrize("kind", ["api", "proglove", "cookie"])
async def test_a_replay_is_redirected_with_the_same_care(net: Net, kind: str) -> None:
    """Rule 12: refused behind a redirect, the call is replayed from its start, with the new token, and not elsewhere."""
    net.api.routes["/latest/x"] = redirect("/latest/there")
    net.api.routes["/latest/there"] = http(b'{"errors": [], "result": {}}', "401 Unauthorized")
    async with net.client(kind) as client:
        assert "Unauthorized 401" == await outcome(client)
        hops = [path for path in net.api.paths if path in {"/latest/x", "/latest/there"}]
        assert ["/latest/x", "/latest/there"] * 2 == hops
        net.api.routes["/latest/there"] = redirect("//evil.test/x")
        assert "ApiError 302" == await outcome(client)
    assert [] == net.leaks


async def test_neighbours_on_this_machine(net: Net) -> None:
    """By address: another port, another loopback address and the machine's name are other origins."""
    port = net.plain_stranger.port
    async with ApiClient(PlainFlow(f"{net.api.origin}/latest"), JANE, session=net.session, retries=0) as client:
        for location in (f"http://127.0.0.1:{port}/x", f"https://127.0.0.2:{net.api.port}/x", *net.locations):
            net.api.routes["/latest/x"] = redirect(location)
            assert "ApiError 302" == await outcome(client)
        net.api.routes["/latest/x"] = redirect(f"https://localhost:{net.api.port}/x")
        assert "ApiError 302" == await outcome(client)
    assert [] == net.leaks


@pytest.mark.parametrize(
    "header",
    [
        'Alt-Svc: h2="evil.test:443"; ma=86400; persist=1, h3=":8443"',
        "Link: <https://evil.test/x>; rel=preload, <https://evil.test>; rel=preconnect",
        "Content-Location: https://evil.test/x",
        "Refresh: 0; url=https://evil.test/x",
        "URI: <https://evil.test/x>",
        'Alternates: {"https://evil.test/x" 1}',
        "Content-Security-Policy: report-uri https://evil.test/x",
        'NEL: {"report_to": "x", "max_age": 1}',
        'Report-To: {"endpoints": [{"url": "https://evil.test/x"}]}',
        f"Location: https://{API}.evil.test/x",
        "SourceMap: https://evil.test/x",
        'WWW-Authenticate: Bearer realm="https://evil.test/x"',
    ],
)
async def test_headers_that_point_elsewhere(net: Net, header: str) -> None:
    """Nothing but a redirect is ever followed: no alternative service, no link, no report; neither then nor later."""
    for status in ("200 OK", "201 Created", "401 Unauthorized", "404 Not Found", "503 Busy"):
        net.api.routes["/latest/x"] = http(b'{"errors": [], "result": {}}', status, header)
        async with net.client("cookie") as client:
            await outcome(client)
            await outcome(client, stream=True)
            await outcome(client, path="/later")
    assert {"/latest/x", "/latest/later", "/latest/api/v2/authenticate"} == set(net.api.paths)
    assert [] == net.leaks
