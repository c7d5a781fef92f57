"""Go through ProGlove's lists: by their links, or by slices of time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final, TypeAlias, TypeVar
from urllib.parse import parse_qs

import attrs
from yarl import URL

from vendorauth._paging import Listing, in_turn
from vendorauth._urls import NO_URL, same_origin
from vendorauth._wire import Resource, structure
from vendorauth.errors import ProtocolError
from vendorauth.proglove.models import PAGE_TOKENS, Page
from vendorauth.proglove.windows import Slices, Window, id_of, is_whole
from vendorauth.tokens import JSON

T = TypeVar("T")

Ask: TypeAlias = Callable[[Mapping[str, str | int]], Awaitable[Page[JSON]]]
"""Asks for the page that some parameters name."""

MOST: Final = 500
"""How many events come with one request, at most and where it does not say (ProGlove, API specification)."""

_Key: TypeAlias = tuple[tuple[str, str], ...]

_FIRST: Final[_Key] = ()


@attrs.frozen(kw_only=True, slots=False)
class _Features(Resource):
    features: tuple[JSON, ...]


def raw_page(value: JSON, subject: str) -> Page[JSON]:
    """Read a page whose items are as they came; *subject* begins the error's sentence."""
    return structure(value, Page[JSON], subject)


def features_page(value: JSON, subject: str) -> Page[JSON]:
    """Read the answer to ``/features`` as a page: its items are called otherwise (ProGlove, API specification)."""
    read = structure(value, _Features, subject)
    return Page(items=read.features, extra=read.extra)


@attrs.frozen
class Source:
    """Be where a list comes from: *label* is the method and path, *base* the only origin that links may lead to."""

    ask: Ask
    label: str
    base: URL


def linked(source: Source, make: Callable[[JSON], T]) -> Listing[T, Page[T]]:
    """Go through a list by its links, of which nothing but the token is sent; *make* gives items their shape."""

    async def fetch(key: _Key) -> tuple[Page[T], Callable[[], _Key | None]]:
        page = await source.ask(dict(key))
        return _page_of(page, map(make, page.items)), partial(_following, source, page)

    return Listing(lambda: in_turn(fetch, _FIRST, source.label), _items)


def sliced(source: Source, make: Callable[[JSON], T], window: Window, limit: int) -> Listing[T, Page[T]]:
    """Go through what lies in *window*, *limit* at a time, where there are no links; *make* gives items their shape."""

    async def fetch(left: Slices) -> tuple[Page[T], Callable[[], Slices | None]]:
        page, windows = await _slice(source, left.windows, limit)
        new = (item for item in page.items if id_of(item) not in left.before)
        return _page_of(page, map(make, new)), lambda: left.after(windows, page)

    return Listing(lambda: in_turn(fetch, Slices((window,)), source.label), _items)


def _page_of(page: Page[JSON], items: Iterable[T]) -> Page[T]:
    return Page(items=tuple(items), links=page.links, metadata=page.metadata, extra=page.extra)


def _items(page: Page[T]) -> tuple[T, ...]:
    return page.items


def _following(source: Source, page: Page[JSON]) -> _Key | None:
    """
    Give what the next page is asked for by; ``None`` at the end of the list.

    Raises:
        ProtocolError: The link leads to another origin, or nobody knows what it asks for.
    """
    link = page.links.next if page.links else None
    if not link:
        return None
    if _is_elsewhere(source.base, link):
        message = f"{source.label}: the link to the next page leads to another origin"
        raise ProtocolError(message)
    if key := tuple(page.next_page.items()):
        return key
    query = parse_qs(link.partition("#")[0].partition("?")[2], keep_blank_values=True)
    if any(name in query for name in PAGE_TOKENS):  # an empty one
        return None
    message = f"{source.label}: the link to the next page has no {PAGE_TOKENS[0]}"
    raise ProtocolError(message)


def _is_elsewhere(base: URL, link: str) -> bool:
    try:
        return not same_origin(base, base.join(URL(link)))
    except NO_URL:
        return True


async def _slice(source: Source, windows: tuple[Window, ...], limit: int) -> tuple[Page[JSON], tuple[Window, ...]]:
    """
    Ask for the first of *windows*, or as much of its beginning as comes whole; give what is left of them, too.

    Raises:
        ProtocolError: A millisecond has more events than come with one request.
    """
    while True:
        first, *others = windows
        halves = first.halves()
        asked = limit if halves else MOST
        page = await source.ask({"start_time_millis": first.start, "end_time_millis": first.end, "limit": asked})
        if is_whole(page, asked):
            return page, tuple(others)
        if not halves:
            message = (
                f"{source.label}: {MOST} or more events of one gateway in one millisecond, of which the vendor cuts off "
                f"what is too many; leave gateway_id out, and choose by the events' own"
            )
            raise ProtocolError(message)
        windows = (*halves, *others)
