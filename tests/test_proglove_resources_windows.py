"""One gateway's events, which come without pages: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from _listing import NOON, NOON_MS, glove_of
from vendorauth import ProtocolError
from vendorauth.proglove import Links, Page
from vendorauth.proglove.lists import Source, sliced
from vendorauth.proglove.windows import Window, is_whole
from vendorauth.testing import FakeProGlove, ManualClock
from vendorauth.tokens import JSON

Ends: TypeAlias = Literal["both", "first", "last"]
START, END = 1_000, 9_000


class Vendor:
    """Have events at *times*, and cut what is asked for at its limit, in any order; *ends* belong to a window or don't."""

    def __init__(self, times: list[int], ends: Ends, order: int) -> None:
        self.events: list[JSON] = [{"id": f"e{i}", "created": time} for i, time in enumerate(times)]
        self.events.sort(key=lambda event: hash((order, event["id"])))
        self.ends = ends
        self.windows: list[tuple[int, int]] = []
        self.limits: set[int] = set()

    async def ask(self, params: Mapping[str, str | int]) -> Page[JSON]:
        """Answer one request."""
        start, end, limit = (int(params[name]) for name in ("start_time_millis", "end_time_millis", "limit"))
        self.windows.append((start, end))
        self.limits.add(limit)
        return Page(items=tuple(self.within(start, end)[:limit]))

    def within(self, start: int, end: int) -> list[JSON]:
        """List what is between these times."""
        first, last = start + (self.ends == "last"), end - (self.ends == "first")
        return [event for event in self.events if first <= int(event["created"]) <= last]


def idle(value: JSON) -> str:
    return str(value["id"])


async def found(vendor: Vendor, limit: int) -> list[str]:
    source = Source(vendor.ask, "GET /events", URL("https://example.com"))
    return [one async for one in sliced(source, idle, Window(START, END), limit)]


times = st.lists(st.integers(START - 5, END + 5) | st.integers(5_000, 5_004), max_size=60)


@given(times, st.integers(1, 12) | st.just(500), st.sampled_from(["both", "first", "last"]), st.integers())
@example([5_000] * 499, 1, "both", 0)
@example([START, END, START, END], 1, "both", 1)
def test_nothing_lost_and_nothing_twice(created: list[int], limit: int, ends: Ends, order: int) -> None:
    """Whatever the limit, the order and the ends of a window: each event of the window comes, and comes once."""
    vendor = Vendor(created, ends, order)
    everything = [str(event["id"]) for event in vendor.within(START, END)]
    assert sorted(everything) == sorted(asyncio.run(found(vendor, limit)))
    assert {limit} <= vendor.limits <= {limit, 500}
    assert len(vendor.windows) == len(set(vendor.windows))


@pytest.mark.parametrize("limit", [1, 500])
async def test_too_many_at_once(limit: int) -> None:
    """Where a millisecond has as many events as a request can give, some may be cut off: that is an error."""
    vendor = Vendor([5_000] * 500, "both", 0)
    with pytest.raises(ProtocolError, match=r"^GET /events: 500 or more events of one gateway in one millisecond"):
        await found(vendor, limit)
    vendor.events.pop()
    assert 499 == len(await found(vendor, limit))


def test_a_link_is_no_end() -> None:
    """An answer that links to more is not whole, however little it has."""
    assert [True, False, False] == [
        is_whole(Page(items=(1,)), 2),
        is_whole(Page(items=(1, 2)), 2),
        is_whole(Page(items=(1,), links=Links(next="/events?next_token=1")), 2),
    ]


async def test_one_gateway_of_the_fake() -> None:
    """With ``gateway_id`` every event of that gateway comes, whatever the limit, in the window or the last day."""
    clock = ManualClock(NOON)
    async with FakeProGlove(clock=clock.timestamp) as fake, glove_of(fake, clock=clock) as client:
        gateway = fake.gateways[1]["id"]
        fake.events += [{"id": f"more{i}", "created": NOON_MS - 5_000, "gateway_id": gateway} for i in range(20)]
        wanted = {one["id"] for one in fake.events if one["gateway_id"] == gateway}
        for limit in (1, 3, None):
            events = [one.id async for one in client.events(gateway_id=gateway, limit=limit)]
            assert (len(wanted), wanted) == (len(events), set(events))
        assert (str(NOON_MS - 86_400_000), str(NOON_MS)) == (
            fake.requests[-1].params["start_time_millis"],
            fake.requests[-1].params["end_time_millis"],
        )
        pages = [page async for page in client.events(start=NOON, end=NOON, gateway_id=gateway).pages()]
        assert [((), {})] == [(page.items, page.next_page) for page in pages]


async def test_an_event_without_an_id() -> None:
    """It is no event: the error says so, it is not passed over."""
    async with FakeProGlove() as fake, glove_of(fake) as client:
        gateway = fake.gateways[0]["id"]
        fake.amend("api", lambda page: {**page, "items": [{"type": "scan"}]})
        with pytest.raises(ProtocolError, match=r"missing @ \$\.id"):
            _ = [one async for one in client.events(gateway_id=gateway)]
