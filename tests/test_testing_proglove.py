"""Prove the API half of the fake ProGlove, with a plain HTTP client; its Cognito has tests of its own."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, DummyCookieJar

from _pool import Pool
from vendorauth.testing import FakeProGlove, ManualClock

DOCUMENTED = {"region", "customer_id:", "user_pool_client_id", "user_pool_id"}


class Api:
    """Ask the API with one living id token."""

    def __init__(self, pool: Pool, clock: ManualClock, token: str) -> None:
        self.pool = pool
        self.fake = pool.fake
        self.clock = clock
        self.token = token

    async def get(self, path: str, authorization: str | None = None, **params: Any) -> tuple[int, Any]:
        """Give status and JSON."""
        headers = {"Authorization": self.token if authorization is None else authorization}
        url = f"{self.fake.base_url}{path}"
        texts = {name: str(value) for name, value in params.items()}
        async with self.pool.session.get(url, headers=headers, params=texts) as response:
            return response.status, json.loads(await response.read())

    async def items(self, name: str, **params: Any) -> list[Any]:
        """Give the items of a page."""
        status, body = await self.get(f"/{self.fake.customer_id}/{name}", **params)
        assert 200 == status
        items: list[Any] = body["items"]
        return items

    async def pages(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Follow the links to the last page."""
        pages: list[dict[str, Any]] = []
        while True:
            _, page = await self.get(f"/{self.fake.customer_id}/{name}", **params)
            pages.append(page)
            link = page.get("links", {}).get("next")
            if not link:
                return pages
            params["next_token"] = parse_qs(urlsplit(link).query)["next_token"][0]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp) as fake, ClientSession(cookie_jar=DummyCookieJar()) as session:
        pool = Pool(fake, session)
        yield Api(pool, clock, (await pool.login()).result["IdToken"])


def test_constructor_takes_the_most_used_switches() -> None:
    """Token life and rotation may be given at once."""
    fake = FakeProGlove(token_life=3, rotation=True)
    assert (3, True) == (fake.token_life, fake.rotation)


async def test_auth_information(api: Api) -> None:
    """The documented keys are there, the stray colon too, and by default what other clients have seen besides."""
    url = f"{api.fake.base_url}/auth-information"
    async with api.pool.session.get(url, params={"id": "demo0001"}) as response:
        body = await response.json()
    assert set(body) > DOCUMENTED
    assert ("eu-west-1", "demo0001") == (body["region"], body["customer_id:"])
    assert (api.fake.client_id, api.fake.user_pool_id) == (body["user_pool_client_id"], body["user_pool_id"])
    assert 1 == api.fake.count.auth_information


async def test_auth_information_switches(api: Api) -> None:
    """The key may lose its colon, the undocumented fields may be away, and the region may be any."""
    api.fake.customer_id_key, api.fake.undocumented, api.fake.region = "customer_id", False, "evil.example"
    status, body = await api.get("/auth-information", id="demo0001")
    assert 200 == status
    assert DOCUMENTED - {"customer_id:"} | {"customer_id"} == set(body)
    assert "evil.example" == body["region"]


async def test_wrong_customer(api: Api) -> None:
    """Another customer's id is a malformed request."""
    assert (400, {"message": "Malformed request"}) == await api.get("/auth-information", id="other")
    assert 400 == (await api.get("/auth-information"))[0]
    assert 400 == (await api.get("/other/devices"))[0]


async def test_customer_id_is_decoded(api: Api) -> None:
    """A percent-encoded customer id is understood."""
    api.fake.customer_id = "a/b"
    assert 200 == (await api.get("/a%2Fb/features"))[0]


async def test_no_token(api: Api) -> None:
    """Without an Authorization header the answer is 401."""
    async with api.pool.session.get(f"{api.fake.base_url}/demo0001/devices") as response:
        assert 401 == response.status
        assert {"message": "Unauthorized"} == await response.json()
    assert (1, 1) == (api.fake.count.refused, api.fake.count.api)


@pytest.mark.parametrize("status", [403, 401])
async def test_dead_token(api: Api, status: Any) -> None:
    """A dead token is refused with the status that was chosen."""
    api.fake.refusal_status = status
    api.clock.advance(3600)
    assert status == (await api.get("/demo0001/devices"))[0]
    assert 1 == api.fake.count.refused


async def test_accepted_tokens_and_schemes(api: Api) -> None:
    """Only the chosen kind of token with the chosen prefix is taken; extra text is refused."""
    access = (await api.pool.login()).result["AccessToken"]
    path = "/demo0001/features"
    for scheme in ("", "Bearer"):
        api.fake.scheme = scheme
        for kind, right, wrong in (("id", api.token, access), ("access", access, api.token)):
            api.fake.accepts = kind  # type: ignore[assignment]  # a tuple's text is no Literal
            prefix = f"{scheme} " if scheme else ""
            assert 200 == (await api.get(path, f"{prefix}{right}"))[0]
            assert 403 == (await api.get(path, f"{prefix}{wrong}"))[0]
            assert 403 == (await api.get(path, f"Token {right}"))[0]
    assert 403 == (await api.get(path, access))[0]


async def test_not_permitted(api: Api) -> None:
    """Permission switched off is a 403 for a token that lives, and no refusal of the token."""
    api.fake.permitted = False
    assert 403 == (await api.get("/demo0001/devices"))[0]
    assert (0, 1) == (api.fake.count.refused, api.fake.count.denied)


@pytest.mark.parametrize("path", ["/demo0001/nonsense", "/demo0001", "/demo0001/devices/1", ""])
async def test_unknown_path(api: Api, path: str) -> None:
    """What is not there is a 404."""
    assert (404, {"message": "Not Found"}) == await api.get(path)


async def test_outside_the_stage(api: Api) -> None:
    """The stage is part of the base URL: without it nothing is found."""
    headers = {"Authorization": api.token}
    async with api.pool.session.get(f"{api.fake.origin}/demo0001/devices", headers=headers) as response:
        assert 404 == response.status
    async with api.pool.session.post(f"{api.fake.base_url}/demo0001/devices", headers=headers) as response:
        assert 404 == response.status


async def test_devices(api: Api) -> None:
    """Devices come in the documented envelope with the documented fields."""
    status, body = await api.get("/demo0001/devices")
    assert 200 == status
    assert (api.fake.devices, {"next": None}) == (body["items"], body["links"])
    assert {"description": "list of devices", "size": 5, "filters": []} == body["metadata"]
    assert {"id", "class", "created", "battery", "firmware", "model"} < set(body["items"][0])


async def test_lists_are_the_tests(api: Api) -> None:
    """What the lists hold is up to the test."""
    api.fake.gateways.append({"id": "mine"})
    assert {"id": "mine"} == (await api.items("gateways"))[-1]
    api.fake.features = []
    assert (200, {"features": []}) == await api.get("/demo0001/features")


async def test_paging_as_documented(api: Api) -> None:
    """Pages are linked by a relative path without customer and stage, whose token needs decoding."""
    api.fake.page_size = 2
    pages = await api.pages("devices")
    assert api.fake.devices == [item for page in pages for item in page["items"]]
    assert [2, 2, 1] == [page["metadata"]["size"] for page in pages]
    assert pages[0]["links"]["next"].startswith("/devices?next_token=")
    assert "%3D" in pages[0]["links"]["next"]
    assert [{"name": "next_token", "value": api.fake.requests[-1].params["next_token"]}] == (
        pages[-1]["metadata"]["filters"]
    )


@pytest.mark.parametrize(("style", "start"), [("path", "/demo0001/devices?"), ("absolute", "http://127.0.0.1:")])
async def test_link_styles(api: Api, style: Any, start: str) -> None:
    """Links may have the customer, or be whole URLs."""
    api.fake.page_size, api.fake.link_style = 3, style
    first, last = await api.pages("devices")
    assert first["links"]["next"].startswith(start)
    assert 2 == len(last["items"])


@pytest.mark.parametrize(
    ("last", "links"), [("null", {"next": None}), ("empty", {"next": ""}), ("missing", {}), ("no-links", None)]
)
async def test_last_link(api: Api, last: Any, links: Any) -> None:
    """The end of a list is shown in each way that may occur."""
    api.fake.last_link = last
    assert links == (await api.pages("devices"))[-1].get("links")


async def test_events_of_the_last_day(api: Api) -> None:
    """By default events of the last 24 hours come, and none of the future."""
    assert api.fake.events == await api.items("events")
    api.clock.advance(13 * 3600)
    api.token = (await api.pool.login()).result["IdToken"]
    assert api.fake.events[1:] == await api.items("events")
    api.clock.step(-14 * 3600 - 1)
    assert api.fake.events[:-1] == await api.items("events")


async def test_events_in_a_window(api: Api) -> None:
    """A window in milliseconds is respected, ends included, and a limit with its link."""
    begin, end = api.fake.events[2]["created"], api.fake.events[5]["created"]
    window = {"start_time_millis": begin, "end_time_millis": end}
    assert api.fake.events[2:6] == await api.items("events", **window)
    pages = await api.pages("events", limit=3, **window)
    assert [3, 1] == [len(page["items"]) for page in pages]


async def test_events_of_one_gateway(api: Api) -> None:
    """One gateway's events are cut at the limit, without a link."""
    gateway = api.fake.gateways[1]["id"]
    (page,) = await api.pages("events", gateway_id=gateway, limit=2)
    assert [gateway] * 2 == [event["gateway_id"] for event in page["items"]]


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"next_token": "%"}, {"next_key": "AAAA"}]
)
async def test_malformed_lists(api: Api, params: dict[str, Any]) -> None:
    """A limit or a token that can't be right is a malformed request."""
    assert 400 == (await api.get("/demo0001/devices", **params))[0]


async def test_reports_need_a_level(api: Api) -> None:
    """Reports are listed for one level, and are a malformed request without one."""
    assert 400 == (await api.get("/demo0001/reports"))[0]
    assert api.fake.reports["_"] == (await api.get("/demo0001/reports", level_id="_"))[1]["items"]
    assert {"reports": 2} == api.fake.asked


async def test_malformed_window(api: Api) -> None:
    """A window that is no number is a malformed request."""
    assert 400 == (await api.get("/demo0001/events", start_time_millis="yesterday"))[0]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_echo(api: Api, method: str) -> None:
    """Every method is echoed with path, query, headers and body, and the token never."""
    url = f"{api.fake.base_url}/demo0001/echo?a=1"
    headers = {"Authorization": api.token, "X-My": "header"}
    async with api.pool.session.request(method, url, headers=headers, json=[1]) as response:
        text = await response.text()
    body = json.loads(text)
    assert (method, "/latest/demo0001/echo", {"a": "1"}) == (body["method"], body["path"], body["query"])
    assert ("header", "[1]", [1]) == (body["headers"]["x-my"], body["body"], body["json"])
    assert api.token not in text


async def test_echo_of_no_json(api: Api) -> None:
    """A body that is no JSON is echoed as text."""
    url = f"{api.fake.base_url}/demo0001/echo"
    async with api.pool.session.post(url, headers={"Authorization": api.token}, data="a=b") as response:
        body = await response.json()
    assert ("a=b", None) == (body["body"], body["json"])
