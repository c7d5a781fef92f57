"""Pages come in turn, with one request ahead, and whoever stops leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any
from weakref import WeakSet

import attrs
import pytest

from _listing import take
from vendorauth import ConfigurationError, ProtocolError, ServerError
from vendorauth._paging import Listing, checked_limit, in_turn


@attrs.frozen(eq=False)
class Page:
    items: tuple[int, ...]


class Server:
    """Give *n* pages of *size* numbers, and count."""

    def __init__(self, n: int, size: int = 2) -> None:
        self.n = n
        self.size = size
        self.asked = 0
        self.given = 0
        self.alive = WeakSet[Page]()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: dict[int, Exception] = {}
        self.links: dict[int, int] = {}
        self.cancelled = 0

    async def fetch(self, key: int) -> tuple[Page, Callable[[], int | None]]:
        """Give the page *key*."""
        self.asked += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if key in self.failing:
            raise self.failing[key]
        page = Page(tuple(range(key * self.size, (key + 1) * self.size)))
        self.alive.add(page)
        self.given += 1
        following = self.links.get(key, key + 1 if key + 1 < self.n else None)
        return page, lambda: following

    def listing(self) -> Listing[int, Page]:
        """List it all."""
        return Listing(lambda: in_turn(self.fetch, 0, "GET /things"), lambda page: page.items)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(100):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError


def left() -> list[asyncio.Task[Any]]:
    """List the tasks that are not this one."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.fixture(autouse=True)
async def nothing_is_logged() -> Any:
    """Asyncio has nothing to complain about, such as an error that nobody retrieved."""
    complaints = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    yield
    assert [] == complaints


async def test_all_of_it_with_one_request_ahead() -> None:
    """While a page is gone through, the next one is asked for and no other; memory holds two pages at most."""
    server = Server(20, size=3)
    found = list[int]()
    assert 0 == server.asked
    async for number in server.listing():
        await until(lambda: server.given == min(found_pages(number) + 1, 20))  # noqa: B023  called at once
        assert server.asked == server.given
        assert len(server.alive) <= 2
        found.append(number)
    assert list(range(60)) == found
    assert (20, []) == (server.asked, left())


def found_pages(number: int) -> int:
    return number // 3 + 1


async def test_pages_begin_anew_and_items_do_not() -> None:
    """Items are an iterator, gone through once; pages begin with the first one, each time."""
    server = Server(3)
    listing = server.listing()
    assert 0 == await anext(listing)
    assert [1, 2, 3, 4, 5] == [number async for number in listing]
    assert [] == [number async for number in listing]
    for _ in range(2):
        assert [(0, 1), (2, 3), (4, 5)] == [page.items async for page in listing.pages()]
    assert 9 == server.asked


class Leaving:
    """Leave a list in each way there is, after *ahead* was awaited."""

    def __init__(self, server: Server, ahead: Callable[[], Awaitable[None]]) -> None:
        self.server = server
        self.ahead = ahead

    async def by_break(self) -> None:
        async for _ in self.server.listing():
            await self.ahead()
            break

    async def by_error(self) -> None:
        async for _ in self.server.listing():
            await self.ahead()
            raise ZeroDivisionError

    async def by_cancellation(self) -> None:
        async for _ in self.server.listing():
            await self.ahead()
            user = asyncio.current_task()
            assert user is not None
            user.cancel()
            await asyncio.Event().wait()

    async def by_closing(self) -> None:
        listing = self.server.listing()
        await anext(listing)
        await self.ahead()
        await listing.aclose()
        assert [] == pages_under_way()

    async def by_closing_pages(self) -> None:
        async with aclosing(self.server.listing().pages()) as pages:
            await anext(pages)
            await self.ahead()
        assert [] == pages_under_way()

    async def by_forgetting(self) -> None:
        listing = self.server.listing()
        await anext(listing)
        await self.ahead()


def pages_under_way() -> list[asyncio.Task[Any]]:
    return [task for task in left() if task.get_name() == "vendorauth page"]


@pytest.mark.parametrize("under_way", [True, False])
@pytest.mark.parametrize("how", sorted(name for name in vars(Leaving) if name.startswith("by_")))
async def test_stopping_early(how: str, under_way: bool) -> None:
    """However it is left, the page ahead is dropped, its task is over, and nothing is logged, be it an error."""
    server = Server(5)
    server.failing[1] = ServerError("one", 500)

    async def ahead() -> None:
        if under_way:
            server.gate.clear()
        await until(lambda: server.asked == 2 and (under_way or not pages_under_way()))

    user = asyncio.create_task(getattr(Leaving(server, ahead), how)())
    await asyncio.wait([user])
    assert (how == "by_cancellation") is user.cancelled()
    assert (how == "by_error") is (not user.cancelled() and user.exception() is not None)
    del user
    gc.collect()
    await until(lambda: not left())
    assert (2, int(under_way)) == (server.asked, server.cancelled)


async def test_never_begun() -> None:
    """A list that nobody went through asked for nothing."""
    server = Server(5)
    await server.listing().aclose()
    assert (0, []) == (server.asked, left())


async def test_cancelled_while_waiting_for_a_page() -> None:
    """Who is cancelled while a page is under way cancels that page, and waits for its end."""
    server = Server(5)
    server.gate.clear()
    user = asyncio.create_task(take(server.listing(), []))
    await until(lambda: server.asked == 1)
    user.cancel()
    await asyncio.wait([user])
    await until(lambda: not left())
    assert user.cancelled()
    assert 1 == server.cancelled


async def test_errors_come_after_the_page_before() -> None:
    """What goes wrong with a page ahead is raised when its first item is due, and ends the list."""
    server = Server(5)
    server.failing[2] = ServerError("two", 500)
    found = list[int]()
    listing = server.listing()
    with pytest.raises(ServerError, match="two"):
        await take(listing, found)
    assert ([0, 1, 2, 3], 3) == (found, server.asked)
    assert [] == [number async for number in listing]


@pytest.mark.parametrize(("links", "pages"), [({0: 0}, 1), ({2: 2}, 3), ({4: 1}, 5)])
async def test_loops(links: dict[int, int], pages: int) -> None:
    """A page that links to itself, or back to another one, ends in an error and not in an endless list."""
    server = Server(9)
    server.links = links
    found = list[int]()
    with pytest.raises(ProtocolError, match=r"^GET /things: .* no end$"):
        await take(server.listing(), found)
    assert (list(range(2 * pages)), pages) == (found, server.asked)


@pytest.mark.parametrize("limit", [0, -1, 501, True, 2.0, "5", None])
def test_a_limit(limit: Any) -> None:
    """A limit is an integer, from 1 to what the vendor gives."""
    assert [1, 500] == [checked_limit(1, 500), checked_limit(500, 500)]
    with pytest.raises(ConfigurationError, match="from 1 to 500"):
        checked_limit(limit, 500)
