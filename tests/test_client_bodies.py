"""What a client sends: bodies, headers, paths, and what of them can be sent twice (DESIGN, rule 13)."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import aiohttp
import pytest
from aiohttp import web

from _api import JANE, Api, ApiFlow, serve
from vendorauth import (
    ApiClient,
    ApiError,
    ConfigurationError,
    ServerError,
    Unauthorized,
)


@pytest.fixture
async def api() -> AsyncGenerator[Api, None]:
    async with serve() as made:
        yield made


async def test_bodies(api: Api) -> None:
    """Json and data are sent as they should be."""
    async with api.client() as client:
        await client.post("/x", json={"a": [1, "ä"]})
        await client.post("/x", data=b"bytes")
        await client.post("/x", data="text")
        await client.post("/x", data={"a": "b c"})
        await client.post("/x", json={}, headers={"Content-Type": "application/vnd.api+json"})
    assert ['{"a":[1,"ä"]}'.encode(), b"bytes", b"text", b"a=b+c", b"{}"] == api.bodies
    kinds = [request.headers["Content-Type"] for request in api.seen]
    assert ["application/json", "application/x-www-form-urlencoded"] == [kinds[0], kinds[3]]
    assert "application/vnd.api+json" == kinds[4]


async def test_headers_and_params_are_sent(api: Api) -> None:
    """A caller's headers go beside the token's; params join the query that the path has."""
    async with api.client() as client:
        await client.get("/x?a=1", params={"b": [2, 3], "c": "ü &"}, headers={"Accept-Language": "de"})
    (seen,) = api.seen
    assert "de" == seen.headers["Accept-Language"]
    assert [("a", "1"), ("b", "2"), ("b", "3"), ("c", "ü &")] == list(seen.query.items())


async def test_absolute_url_of_the_same_origin(api: Api) -> None:
    """A link of the API's own origin may be used as it is."""
    async with api.client() as client:
        await client.get(f"{api.url}/linked")
    assert "/base/linked" == api.seen[0].path


async def test_a_body_that_can_be_sent_once(api: Api) -> None:
    """Rule 13: such a body is not replayed; the error says so, and the token is renewed for the next call."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"chunk"

    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(b"file"))
    async with api.client() as client:
        for number, body in enumerate([io.BytesIO(b"file"), chunks(), form], 1):
            api.refused.add(f"token-{number}")
            with pytest.raises(Unauthorized, match=r"can't be sent twice: call again$"):
                await client.post("/x", data=body)
        api.refused.add("token-4")
        assert {"ok": True} == await client.post("/x", data=aiohttp.FormData({"a": "b"}))
    assert b"a=b" == api.bodies[-1]


@pytest.mark.parametrize("body", [{"json": {"a": 1}}, {"data": b"x"}, {"data": "x"}, {"data": {"a": "b"}}, {}])
async def test_a_body_that_can_be_sent_twice(api: Api, body: Mapping[str, object]) -> None:
    """Rule 13: no body, bytes, str, JSON and forms are replayed whole."""
    api.refused.add("token-1")
    async with api.client() as client:
        await client.post("/x", **body)  # type: ignore[call-overload]  # each of these is right
    assert ["token-1", "token-2"] == api.used
    assert api.bodies[0] == api.bodies[1]


async def test_files_in_a_form_are_not_sent_twice(api: Api) -> None:
    """Rule 13: a mapping with a file in it is no form of text: it would go out empty the second time."""
    api.refused.add("token-1")
    async with api.client() as client:
        with pytest.raises(Unauthorized, match=r"can't be sent twice"):
            await client.post("/x", data={"file": io.BytesIO(b"file")})
        api.script.append(web.Response(status=503))
        with pytest.raises(ServerError):
            await client.request("GET", "/x", data=io.BytesIO(b"file"))
        api.script.append(web.Response(status=302, headers={"Location": "/base/there"}))
        with pytest.raises(ApiError, match="302"):
            await client.request("GET", "/x", data=io.BytesIO(b"file"))
    assert 3 == len(api.seen)


async def test_lower_case_methods(api: Api) -> None:
    """A method is what it is in any case."""
    api.script.append(web.Response(status=503))
    async with api.client() as client:
        assert 200 == (await client.request("get", "/x")).status
    assert ["GET", "GET"] == [request.method for request in api.seen]


async def test_forms_as_pairs_are_sent_twice(api: Api) -> None:
    """Rule 13: a list of pairs of text is a form as well; one with a file in it is not."""
    api.refused.add("token-1")
    async with api.client() as client:
        await client.post("/x", data=[("a", "b"), ("a", "c")])
        api.refused.add("token-2")
        with pytest.raises(Unauthorized, match=r"can't be sent twice"):
            await client.post("/x", data=[("a", io.BytesIO(b"file"))])
    assert b"a=b&a=c" == api.bodies[1]


def test_plain_http_is_refused() -> None:
    """DESIGN 7: also for a flow of the user's own; allow_http allows it, with a warning."""
    flow = ApiFlow("http://api.example/base")
    with pytest.raises(ConfigurationError, match="plain http"):
        ApiClient(flow, JANE)
    with pytest.warns(UserWarning, match="plain http"):
        ApiClient(flow, JANE, allow_http=True)
    with pytest.raises(ConfigurationError, match="absolute https URL"):
        ApiClient(ApiFlow("ftp://api.example/base"), JANE)


async def test_slips_of_a_call(api: Api) -> None:
    """What is no path, method, header or timeout is told as such."""
    async with api.client() as client:
        for call in (
            client.get(5),  # type: ignore[call-overload]  # that is the point
            client.get("/x", headers={"a": 5}),  # type: ignore[dict-item]  # likewise
            client.get("/x", timeout="5"),  # type: ignore[call-overload]  # likewise
            client.request("", "/x"),
            client.request("GET\r\nX: y", "/x"),
        ):
            with pytest.raises(ConfigurationError):
                await call
    assert [] == api.seen
