"""Go through lists page by page, and ask for the next page while the current one is gone through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterable
from contextlib import aclosing
from typing import Any, Generic, TypeAlias, TypeVar, final

from vendorauth.errors import ConfigurationError, ProtocolError

T = TypeVar("T")
PageT = TypeVar("PageT")
KeyT = TypeVar("KeyT", bound=Hashable)

Follow: TypeAlias = Callable[[], KeyT | None]
"""Says what the page after one is asked for by; ``None`` at the end. What is wrong with the link it raises."""

Fetch: TypeAlias = Callable[[KeyT], Coroutine[Any, Any, tuple[PageT, Follow[KeyT]]]]
"""Asks for one page."""


def checked_limit(limit: Any, most: int) -> int:
    """
    Give *limit*, a number of items for one page.

    Raises:
        ConfigurationError: It is no integer from 1 to *most*.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        message = f"limit must be an integer from 1 to {most:,}"
        raise ConfigurationError(message)
    return limit


@final
class Listing(AsyncIterator[T], Generic[T, PageT]):
    """
    Go through what an API lists: item by item with ``async for``, or page by page with `pages`.

    .. code-block:: python

        async for device in proglove.devices():
            print(device.id)
        async for page in proglove.devices().pages():
            print(len(page.items), page.metadata)

    Nothing is sent before the first item is asked for. While one page is gone through the next one is asked for, never
    more than one; so memory holds two pages, however long the list is. What goes wrong with a page is raised after the
    items of the page before. Each step raises what a client's ``get`` does.

    It is gone through once. Who stops early need do nothing: the page under way is dropped when the loop next runs. To
    have waited for that, use `contextlib.aclosing` or `aclose`. Cancelling it loses no token.

    Raises:
        ProtocolError: A page is not as documented, or links to one that was there before, or to another origin.
    """

    __slots__ = ("_items", "_pages")

    def __init__(self, pages: Callable[[], AsyncGenerator[PageT, None]], items: Callable[[PageT], Iterable[T]]) -> None:
        self._pages = pages
        self._items = _each(pages(), items)

    def __aiter__(self) -> AsyncIterator[T]:  # noqa: PYI034  asyncio closes generators that are left, and only them
        return self._items

    def __anext__(self) -> Awaitable[T]:
        return anext(self._items)

    def pages(self) -> AsyncGenerator[PageT, None]:
        """Go through it page by page, each time from the first; otherwise as item by item."""
        return self._pages()

    async def aclose(self) -> None:
        """Stop going through the items: a page under way is dropped, and its end waited for."""
        await self._items.aclose()


async def _each(pages: AsyncGenerator[PageT, None], items: Callable[[PageT], Iterable[T]]) -> AsyncGenerator[T, None]:
    async with aclosing(pages):
        async for page in pages:
            for item in items(page):
                yield item


async def in_turn(fetch: Fetch[KeyT, PageT], first: KeyT, label: str) -> AsyncGenerator[PageT, None]:
    """
    Give page after page, asking for the next one, and no other, while one is gone through.

    *label* is the method and path for the error.

    Raises:
        ProtocolError: A page leads to one that was there before.
    """
    # Hashes, and not the keys, which may be long: so a list of thousands of pages costs next to nothing here.
    seen = {hash(first)}

    async def after(follow: Follow[KeyT]) -> tuple[PageT, Follow[KeyT]] | None:
        key = follow()
        if key is None:
            return None
        if hash(key) in seen:
            message = f"{label}: a page links to one that was there before: the list has no end"
            raise ProtocolError(message)
        seen.add(hash(key))
        return await fetch(key)

    ahead: asyncio.Task[tuple[PageT, Follow[KeyT]] | None] = _started(fetch(first))
    try:
        while (found := await ahead) is not None:
            page, follow = found
            ahead = _started(after(follow))
            yield page
    finally:
        await _dropped(ahead)


def _started(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.get_running_loop().create_task(work, name="vendorauth page")
    task.add_done_callback(_retrieved)
    return task


def _retrieved(task: asyncio.Task[Any]) -> None:
    """Look at the error of a page that nobody came for; asyncio would log it."""
    if not task.cancelled():
        task.exception()


async def _dropped(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
