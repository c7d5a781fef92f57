"""What ProGlove lists, typed and over all pages, through the shipped fake."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from _listing import NOON, NOON_MS, glove_of, take
from vendorauth import ConfigurationError, ProtocolError, ServerError
from vendorauth.proglove import Device, Feature, Gateway, OrganisationNode, Report, Thumbnail, UnknownEvent
from vendorauth.testing import FakeProGlove, ManualClock


async def test_everything_over_all_pages() -> None:
    """Each list is gone through to its end, page by page; what this version does not know is in ``extra``."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        fake.page_size = 1
        fake.gateways[0] |= {"serial": "PG1"}
        fake.events[0]["type"] = "tomorrow"
        assert [Gateway, Gateway] == [type(one) async for one in client.gateways()]
        assert {"serial": "PG1"} == (await anext(client.gateways())).extra
        assert [one["id"] for one in fake.events] == [one.id async for one in client.events()]
        assert isinstance(await anext(client.events()), UnknownEvent)
        assert [one["feature"] for one in fake.features] == [one.feature async for one in client.features()]
        nodes = [one async for one in client.organisation()]
        assert [one["node"]["id"] for one in fake.organisation] == [one.id for one in nodes]
        reports = [one async for one in client.reports("level-1")]
        assert fake.reports["level-1"] == [{**_plain(one)} for one in reports]
        assert [] == [one async for one in client.reports("nowhere")]
    assert {"gateways": 4, "events": 14, "features": 1, "gateways/organisation": 4, "reports": 3} == fake.asked


def _plain(report: Report) -> dict[str, Any]:
    small = report.thumbnail
    names = ("id", "title", "report_type", "status", "time_created", "device_serial", "photos_count", "path")
    thumbnail = small and {"url": small.url, "attachment_sort_key": small.attachment_sort_key}
    return {**{name: getattr(report, name) for name in names}, "thumbnail": thumbnail}


async def test_what_stands_in_a_page() -> None:
    """Page by page there are the link and the metadata besides, and the items are typed."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        fake.page_size, fake.link_style = 2, "absolute"
        pages = [page async for page in client.devices().pages()]
        assert [2, 2, 1] == [len(page.items) for page in pages]
        assert [2, 2, 1] == [page.metadata["size"] for page in pages]
        assert pages[0].links is not None
        assert (pages[0].links.next or "").startswith(f"{fake.base_url}/{fake.customer_id}/devices?next_token=")
        assert {} == pages[2].next_page
        assert fake.devices[4]["id"] == pages[2].items[0].id
        (features,) = [page async for page in client.features().pages()]
        assert Feature(feature="photo-reports", enabled=True, additional_properties={}) == features.items[0]


def test_no_place_in_a_repr() -> None:
    """Where a site is, and what gives access to a picture, is not shown."""
    hidden: dict[str, Any] = {"address": "MARK", "ap_ipv4_address": "MARK", "policy": "MARK", "actual_config": "MARK"}
    assert "MARK" not in repr([OrganisationNode(id="1", **hidden), Thumbnail(url="MARK")])


async def test_the_next_page_is_asked_for_meanwhile() -> None:
    """While a page is gone through one more is asked for, and no other; its failure comes after the page's items."""
    async with FakeProGlove() as fake, glove_of(fake, retries=0) as client, asyncio.timeout(20):
        fake.page_size = 2
        found = list[str]()

        async def use() -> None:
            async for device in client.devices():
                if len(found) == 2:
                    fake.fail_next(on="api")
                if len(found) in {0, 2}:
                    while fake.count.api < len(found) // 2 + 2:
                        await asyncio.sleep(0)
                found.append(device.id)

        with pytest.raises(ServerError):
            await use()
        assert ([one["id"] for one in fake.devices[:4]], 3) == (found, fake.count.api)


async def test_left_with_the_client() -> None:
    """A list that is left half-way, its page ahead hanging, holds up neither the client's end nor the loop's."""
    async with FakeProGlove() as fake, asyncio.timeout(20):
        fake.page_size = 1
        async with glove_of(fake) as client:
            await client.tokens.token()
            listing = client.devices()
            hold = fake.hold("api")
            first = asyncio.create_task(_next(listing))
            await hold.arrived()
            hold.release()
            hold = fake.hold("api")
            await first
            await hold.arrived()
        await listing.aclose()
        assert [] == [task for task in asyncio.all_tasks() if task.get_name() == "vendorauth page"]


async def _next(listing: Any) -> object:
    return await anext(listing)


@pytest.mark.parametrize("link", ["/devices", "/devices?page=2", "/devices?NEXT_TOKEN=2", "x"])
async def test_links_that_nobody_knows(link: str) -> None:
    """A link without a token is no end of the list: there is more, and nobody knows how to ask for it."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        fake.amend("api", lambda page: {**page, "links": {"next": link}})
        with pytest.raises(ProtocolError, match=r"devices: the link to the next page has no next_token$"):
            _ = [one async for one in client.devices()]


async def test_the_end_of_a_list() -> None:
    """An empty token is the end; a token that comes again is an error, after the items of its page."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        fake.amend("api", lambda page: {**page, "links": {"next": "/devices?next_token="}})
        assert 5 == len([one async for one in client.devices()])
        fake.heal()
        fake.page_size = 1
        links = list[object]()

        def repeat(page: dict[str, dict[str, object]]) -> object:
            links.append(page["links"]["next"])
            return {**page, "links": {"next": links[0]}}

        fake.amend("api", repeat)
        found = list[Device]()
        with pytest.raises(ProtocolError, match="no end"):
            await take(client.devices(), found)
        assert ([one["id"] for one in fake.devices[:2]], 3) == ([one.id for one in found], fake.count.api)


async def test_what_is_no_list() -> None:
    """An answer without content, or of another form, is a ProtocolError and no empty list."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        fake.fail_next(2, 204, on="api")
        for listing in (client.devices(), client.features()):
            with pytest.raises(ProtocolError, match="expected form"):
                await anext(listing)
        fake.amend("api", lambda page: {**page, "items": [{"node": {"id": "1"}}, {"id": "2"}]})
        with pytest.raises(ProtocolError, match=r"node of the organisation .* missing @ \$\.node$"):
            _ = [one async for one in client.organisation()]


async def test_limit_and_window_go_along() -> None:
    """They are the same on every page, to the millisecond, and what is not given is not sent."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        end = datetime.fromtimestamp(fake.events[-1]["created"] / 1000, NOON.tzinfo) + timedelta(milliseconds=1)
        start = end - timedelta(hours=5, milliseconds=1)
        found = [one.id async for one in client.events(start=start, end=end, limit=2)]
        assert [one["id"] for one in fake.events[-6:]] == found
        asked = [one.params for one in fake.requests if one.kind == "api"]
        milliseconds = str((start - NOON) // timedelta(milliseconds=1) + NOON_MS)
        assert [("2", milliseconds)] * 3 == [(one["limit"], one["start_time_millis"]) for one in asked]
        _ = [one async for one in client.events(limit=500)]
        assert {} == fake.requests[-1].params


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 501},
        {"gateway_id": " "},
        {"gateway_id": 5},
        {"start": NOON, "end": NOON - timedelta(seconds=1)},
        {"end": NOON - timedelta(days=2), "gateway_id": "g"},
        {"end": NOON.replace(tzinfo=None)},
    ],
)
async def test_wrong_questions(wrong: dict[str, Any]) -> None:
    """What can't be right is refused by the call, before anything is sent."""
    async with FakeProGlove() as fake, glove_of(fake, clock=ManualClock(NOON)) as client:
        with pytest.raises(ConfigurationError):
            client.events(**wrong)
        with pytest.raises(ConfigurationError, match="level_id"):
            client.reports("")
        assert not fake.requests
