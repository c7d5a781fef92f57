"""Let somebody outside see the work as it is done: requests, exchanges, flights. It is how tracing is hooked in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import aiohttp
from yarl import URL

from vendorauth.engine.single_flight import Kind, Work
from vendorauth.events import How, TokenEvent

T = TypeVar("T")


class Watcher(Protocol):
    """Wrap work; each of these gives or raises what the work itself does."""

    def flight(self, account: str, kind: Kind, make: Callable[[], Work]) -> Work:
        """Wrap what renews or forgets *account*'s token; called in its caller's context, awaited in one of its own."""
        ...

    async def exchange(self, account: str, how: How, exchange: Awaitable[T]) -> T:
        """Await one *exchange* with the vendor, inside a flight."""
        ...

    def call(self) -> AbstractContextManager[None]:
        """Enclose one API call: the requests that are sent meanwhile are one and those that repeat it."""
        ...

    async def request(
        self, method: str, url: URL, request: Awaitable[aiohttp.ClientResponse]
    ) -> aiohttp.ClientResponse:
        """Await one *request*, which is answered when the headers are there."""
        ...

    def event(self, event: TokenEvent) -> None:
        """Hear what ``on_event`` is told, in the same way."""
        ...
