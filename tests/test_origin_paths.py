"""Paths, parameters, customer ids and base URLs: none of them takes a secret to another host (DESIGN 7)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable
from typing import Any
from unicodedata import lookup
from urllib.parse import unquote

import pytest
from yarl import URL

from _listing import take
from _origin import API, BASE, COGNITO, JANE, KINDS, Net, PlainFlow, run_net
from vendorauth import ApiClient, ConfigurationError, ProGloveClient, ProtocolError
from vendorauth.client import BaseClient
from vendorauth.proglove import Device


@pytest.fixture
async def net() -> AsyncGenerator[Net, None]:
    async with run_net() as one:
        yield one


async def refused(client: BaseClient, path: Any) -> bool:
    """Ask for *path*, whole and as a stream; tell whether both were refused."""
    whole = await was_refused(client.request("POST", path, json={"secret": "MARK-body"}))
    streamed = await was_refused(stream(client, path))
    assert whole is streamed
    return whole


async def was_refused(call: Awaitable[object]) -> bool:
    try:
        await call
    except ConfigurationError as error:
        return "MARK" not in str(error)
    return False


async def stream(client: BaseClient, path: Any) -> None:
    async with client.stream("GET", path):
        pass


ELSEWHERE = [
    "https://evil.test/x",
    "HTTPS://evil.test/x",
    "//evil.test/x",
    "///evil.test/x",
    "////evil.test/x",
    "//",
    "///",
    f"//{API}/x",
    f"http://{API}/x",
    f"http://{API}:443/x",
    f"https://{API}:80/x",
    f"https://{API}:8443/x",
    f"https://{API}:0/x",
    f"https://{API}:65536/x",
    f"https://{API}:-443/x",
    f"https://{API}./x",
    f"https://{API}../x",
    f"https://{API}.evil.test/x",
    f"https://{API}evil.test/x",
    f"https://evil-{API}/x",
    f"https://evil.test/{API}",
    f"https://evil.test?{API}",
    f"https://evil.test#{API}",
    f"https://evil.test#@{API}/x",
    f"https://{API}@evil.test/x",
    f"https://{API}:443@evil.test/x",
    f"https://{API}%40evil.test/x",
    f"https://{API}%2eevil.test/x",
    f"https://{API}%00.evil.test/x",
    f"https://{API}%23.evil.test/x",
    f"https://{API};evil.test/x",
    f"https://{API}\\evil.test/x",
    f"https://{API}\\@evil.test/x",
    f"https://evil.test\\@{API}/x",
    f"https://jane@{API}/x",
    f"https://jane:pw@{API}/x",
    f"https://:pw@{API}/x",
    f"https://:@{API}/x",
    f"https://evil.test%40{API}/x",
    f"https://evil.test@x@{API}/x",
    f"https://[{API}]/x",
    "https://%61pi.example.com/x",
    "https://аpi.example.com/x",  # noqa: RUF001  a Cyrillic a
    "https://xn--pi-8ia.example.com/x",
    "https://api.exampIe.com/x",
    f"https://{API}\N{IDEOGRAPHIC FULL STOP}/x",
    f"https://{API}\N{FULLWIDTH FULL STOP}evil.test/x",
    f"https://{API}\N{HALFWIDTH IDEOGRAPHIC FULL STOP}evil.test/x",
    f"https://{API}\N{ZERO WIDTH SPACE}.evil.test/x",
    f"https://{API}\N{WORD JOINER}.evil.test/x",
    f"https://{API}\N{FULLWIDTH SOLIDUS}.evil.test/x",
    f"https://{API}\N{FRACTION SLASH}.evil.test/x",
    f"https://{API}\N{FULLWIDTH COMMERCIAL AT}evil.test/x",
    f"https://{API}\N{FULLWIDTH NUMBER SIGN}.evil.test/x",
    f"https://evil.test\N{FULLWIDTH QUESTION MARK}.{API}/x",
    f"https://{API}\N{ACCOUNT OF}.evil.test/x",
    "https://127.0.0.2/x",
    "https://0x7f.2/x",
    "https://0177.0.0.2/x",
    "https://2130706434/x",
    "https://127.2/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.2]/x",
    "https://[fe80::1%25lo]/x",
    "https:evil.test",
    "https:/evil.test",
    "https:\\\\evil.test",
    "https:",
    "http:",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:text/html,x",
    "wss://evil.test/x",
    "blob:https://evil.test/x",
    "view-source:https://evil.test",
]
TRICKS = [
    "\\\\evil.test",
    "/\\evil.test",
    "\\/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    " https://evil.test",
    "\x00https://evil.test",
    "/x HTTP/1.1\r\nHost: evil.test\r\nX:",
    "/x\r\n\r\nGET /evil HTTP/1.1",
    "/x#@evil.test",
    "https://api.example.com\t.evil.test/x",
]
FOLDED = [
    "..",
    ".",
    "/../x",
    "/./x",
    "x/..",
    "/x/../../y",
    "/%2e%2e/x",
    "/%2e%2E/x",
    "/.%2e/x",
    "/%2E./x",
    "/%2e",
    "/..%2fx",
    "/x%2f..%2f..%2fy",
    "/..%5cx",
    "/x%5c..%5c..",
    "/..;/x",
    "/..;a=b/x",
    "/.;/x",
    "/%2e%2e;/x",
    "/..%3b/x",
    "/..%3Bx/y",
    "/%252e%252e/x",
    "/%252e%252E/x",
    "/.%252e/x",
    "/%2e%252e/x",
    "/..%252fx",
    "/..%255cx",
    "/..%253bx",
    "/%25252e%25252e/x",
    "/x?y/../..z&%2e/..".replace("?", "/../?"),
    f"{BASE}/../x",
    f"{BASE}/%2e%2e/x",
    f"https://{API}/..",
]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_path_leads_elsewhere(net: Net, kind: str) -> None:
    """Another origin, however it is written, is refused before a login or a look-up: nothing is sent to anybody."""
    places = [*ELSEWHERE, *TRICKS, *FOLDED, *net.locations, f"{net.api.origin}/latest/x"]
    async with net.client(kind) as client:
        assert dict.fromkeys(places, True) == {path: await refused(client, path) for path in places}
    assert ([], [], []) == (net.api.paths, net.login.paths, net.lookups)
    assert [] == net.leaks


GOOD = {
    "/x": "/latest/x",
    "x": "/latest/x",
    "": "/latest",
    f"https://{API}/other": "/other",
    f"https://{API}:443/other": "/other",
    f"HTTPS://{API.upper()}/other": "/other",
    f"hTTps://{API}?@evil.test": "/?@evil.test",
    "https://api\N{IDEOGRAPHIC FULL STOP}example\N{FULLWIDTH FULL STOP}com/x": "/x",
    "https://\N{FULLWIDTH LATIN SMALL LETTER A}pi.example.com/x": "/x",
    "/@evil.test": "/latest/@evil.test",
    "@evil.test/x": "/latest/@evil.test/x",
    ".evil.test/x": "/latest/.evil.test/x",
    "/:8443/x": "/latest/:8443/x",
    "/http://evil.test/x": "/latest/http://evil.test/x",
    "/x//evil.test": "/latest/x//evil.test",
    "/%2f%2fevil.test": "/latest/%2F%2Fevil.test",
    "/%5C%5Cevil.test": "/latest/%5C%5Cevil.test",
    "/%00%0d%0aHost:%20evil.test": "/latest/%00%0D%0AHost:%20evil.test",
    "/%0D%0A%0D%0AGET": "/latest/%0D%0A%0D%0AGET",
    "/ｅvil．．/x": "/latest/%EF%BD%85vil%EF%BC%8E%EF%BC%8E/x",  # noqa: RUF001  full width
    "/\u2028\u00a0": "/latest/%E2%80%A8%C2%A0",
    "?to=https://evil.test/../..": "/latest/?to=https://evil.test/../..",
    "/x?host=evil.test&%2e%2e/": "/latest/x?host=evil.test&../",
    "/...": "/latest/...",
    "/x;..": "/latest/x;..",
    "/100%25": "/latest/100%25",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_stays_here(net: Net, kind: str) -> None:
    """Everything else arrives at the base URL's host, below its path unless it is a URL, as one request."""
    async with net.client(kind) as client:
        await client.tokens.token()
        net.api.heard.clear()
        for path in GOOD:
            assert not await refused(client, path)
    assert [target for target in GOOD.values() for _ in range(2)] == [one.target for one in net.api.heard]
    assert {API} == {host for one in net.api.heard for host in one.headers["host"]}
    assert [] == net.leaks


@pytest.mark.parametrize("kind", KINDS)
async def test_what_nobody_sees(net: Net, kind: str) -> None:
    """Invisible characters in the vendor's name are refused or dropped, as yarl's version has it: no other host."""
    names = ("ZERO WIDTH SPACE", "ZERO WIDTH JOINER", "ZERO WIDTH NO-BREAK SPACE", "SOFT HYPHEN", "WORD JOINER")
    async with net.client(kind) as client:
        for path in (f"https://api{lookup(name)}.example.com/x" for name in names):
            if not await refused(client, path):
                assert ["/x", "/x"] == net.api.paths[-2:]
    assert {(API, 443), (COGNITO, 443)} >= set(net.lookups)
    assert [] == net.leaks


@pytest.mark.parametrize("path", [None, 5, b"/x", b"//evil.test", URL("https://evil.test/x"), URL("/x"), ["/x"], {}])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_path_is_text(net: Net, kind: str, path: object) -> None:
    """Anything that is no str is refused, and not made one."""
    async with net.client(kind) as client:
        assert await refused(client, path)
    assert ([], []) == (net.lookups, net.leaks)


HOSTILE = [
    "//evil.test",
    "@evil.test",
    "?",
    "#x",
    "&a=b",
    "../..",
    "%2e%2e",
    "\r\nHost: evil.test",
    "\\",
    "x y",
    "é",
    "",
]


@pytest.mark.parametrize("kind", ["api", "proglove"])
async def test_parameters_stay_parameters(net: Net, kind: str) -> None:
    """Names and values of *params* end up in the query, whatever they are; the path and the host stay."""
    sent = [{name: value} for name, value in itertools.product(HOSTILE, HOSTILE)]
    async with net.client(kind) as client:
        await client.tokens.token()
        net.api.heard.clear()
        for params in sent:
            await client.request("GET", "/x", params=params)
    assert ["/latest/x"] * len(sent) == net.api.paths
    received = [dict(URL(one.target, encoded=True).query) for one in net.api.heard]
    assert sent == received
    assert {API} == {host for one in net.api.heard for host in one.headers["host"]}
    assert [] == net.leaks


CUSTOMERS = {
    "demo0001": True,
    "..": False,
    ".": False,
    "../../evil": False,
    "..%2fevil": False,
    "%2e%2e": False,
    "%252e%252e": False,
    "..;": False,
    "a/../b": False,
    "..\\evil": False,
    "@evil.test": True,
    "//evil.test": True,
    "https://evil.test": True,
    "\\\\evil.test": True,
    "?a=b": True,
    "#x": True,
    "%2f": True,
    "%": True,
    "x&id=other": True,
    "x y": True,
    "x\r\nHost: evil.test": True,
    "\x00": True,
    "{customer_id}": True,
    "{0}{__class__}": True,
    "аdmin": True,  # noqa: RUF001  a Cyrillic a
}


@pytest.mark.parametrize(("customer", "sent"), CUSTOMERS.items(), ids=range(len(CUSTOMERS)))
async def test_a_hostile_customer_id(net: Net, customer: str, sent: bool) -> None:
    """A customer's id is one segment of the path and one value of the query, or the call is refused."""
    async with ProGloveClient(BASE, customer, JANE, session=net.session) as client:
        await client.tokens.token()
        assert sent is not await refused(client, "/{customer_id}/devices")
        assert sent is not await refused(client, "/devices/{customer_id}")
    asked, *heard = net.api.heard
    assert "/latest/auth-information" == asked.path
    assert {"id": customer} == dict(URL(asked.target, encoded=True).query)
    expected = [["", "latest", customer, "devices"]] * 2 + [["", "latest", "devices", customer]] * 2
    assert (expected if sent else []) == [[unquote(part) for part in one.target.split("/")] for one in heard]
    assert {(API, 443), (COGNITO, 443)} == set(net.lookups)
    assert [] == net.leaks


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/x?next_token=1",
        "//evil.test?next_token=2",
        "javascript:x?next_token=3#@evil.test",
        f"http://{API}/latest/demo0001/devices?next_token=4",
        f"https://jane@{API}/latest/demo0001/devices?next_token=5",
        "https://[?next_token=6",
    ],
)
async def test_pages_that_point_elsewhere(net: Net, link: str) -> None:
    """A link to the next page that leads to another origin is not followed: it ends in an error, after its page."""
    other = net.api.answer

    def page(heard: Any) -> bytes:
        if not heard.path.endswith("/devices"):
            return other(heard)
        content = b'{"items": [{"id": "1"}], "links": {"next": "%s"}}' % link.encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)

    net.api.answer = page
    found = list[Device]()
    async with net.client("proglove") as client:
        assert isinstance(client, ProGloveClient)
        with pytest.raises(ProtocolError, match=r"^GET /latest/demo0001/devices: the link .* another origin$"):
            await take(client.devices(), found)
    assert ["1"] == [device.id for device in found]
    assert ["/latest/demo0001/devices"] == [one.target for one in net.api.heard[1:]]
    assert [] == net.leaks


async def test_a_base_with_a_dot_at_its_end(net: Net) -> None:
    """``api.example.com.`` is a name of its own: with or without the dot, the other one is another origin."""
    net.names[f"{API}.", 443] = net.api
    async with ApiClient(PlainFlow(f"https://{API}./latest"), JANE, session=net.session) as client:
        assert not await refused(client, "/x")
        assert not await refused(client, f"https://{API}./x")
        assert await refused(client, f"{BASE}/x")
    assert {(f"{API}.", 443)} == set(net.lookups)
    assert {API} == {host for one in net.api.heard for host in one.headers["host"]}
    assert [] == net.leaks
