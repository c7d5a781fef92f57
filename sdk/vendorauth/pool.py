"""Keep many accounts in one process: a client for each, made and closed as they come and go, and one connector."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from math import inf
from types import UnionType
from typing import Any, Final, Generic, NoReturn, Protocol, Self, TypeVar, final

from aiohttp import ClientSession

from vendorauth.engine.source import TokenSource
from vendorauth.engine.turns import Pace
from vendorauth.errors import ConfigurationError

__all__ = ["ClientPool", "PooledClient"]

log: Final = logging.getLogger(__name__)

CLOSE_WITHIN: Final = 30.0
"""Seconds that closing a pool waits for renewals under way: an exchange has 20, a store's answer 10."""

AT_ONCE: Final = 100
"""So many idle clients are closed in one go: some thousands would hold up the loop."""

_BREATHER: Final = 0.02


class PooledClient(Protocol):
    """Be what a pool can keep: each client of this SDK is."""

    @property
    def tokens(self) -> TokenSource:
        """What keeps its token fresh."""
        ...

    async def aclose(self) -> None:
        """Let a renewal under way save what it gets, then close."""
        ...


K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=PooledClient)


@final
class ClientPool(Generic[K, C]):
    """
    Keep the clients of many accounts, for one event loop at a time.

    *make* is given an account's key and a session, and makes the account's client, which is to borrow that session:
    so all share one connector. Give all of them one token store, which outlives them: a client that is made again
    finds its token there.

    Up to *max_clients* are kept. When there are more, those that were used least recently are closed, but never one in
    use: while more than *max_clients* are in use at once, there are more. One that nobody has used for *idle* seconds
    is closed, too.

    With *logins_per_second*, no more logins and renewals than that begin in a second, for all accounts together and at
    an even pace; they wait for their turn in the order in which they came, before they take the store's lock and
    before their deadline begins. It counts in this pool alone: divide the vendor's quota by the number of processes.
    (Amazon Cognito allows 120 in a second for all users of all customers of one vendor. Source: Amazon Cognito, Quotas:
    UserAuthentication.)

    Use it with ``async with``, or call `aclose`. What goes wrong with one account concerns that account only.

    Raises:
        ConfigurationError: A number can't be right.
    """

    def __init__(
        self,
        make: Callable[[K, ClientSession], C],
        *,
        max_clients: int = 10_000,
        idle: float = 3600.0,
        logins_per_second: float | None = None,
    ) -> None:
        _check("max_clients", max_clients, int)
        _check("idle", idle)
        if logins_per_second is not None:
            _check("logins_per_second", logins_per_second, most=sys.float_info.max)
        self._make = make
        self._max_clients = max_clients
        self._idle = idle
        self._per_second = logins_per_second
        self._home: _Home[K, C] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<ClientPool of {len(self)} clients>"

    def __len__(self) -> int:
        """Count the clients that are kept."""
        return 0 if self._home is None else len(self._home)

    def __reduce__(self) -> NoReturn:
        message = "a ClientPool can't be pickled or copied: it belongs to one process and event loop; make one there"
        raise TypeError(message)

    async def __aenter__(self) -> Self:
        """Open it, again where it was closed."""
        home = self._here()
        if home is not None and home.closing is not None:
            await home.closed()
            if self._home is home:  # else somebody has entered it meanwhile
                self._home = None
        self._closed = False
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def client(self, key: K) -> AbstractAsyncContextManager[C]:
        """
        Give *key*'s client for as long as the ``async with`` lasts; all who use it at once share it.

        Entering and leaving never wait. Do not close the client: others may be using it.

        Raises:
            RuntimeError: The pool is closed, or belongs to another running event loop.
        """
        return _Lease(self._open, key)

    async def aclose(self) -> None:
        """
        Close all clients, those in use as well, and the connector.

        Renewals under way have 30 seconds to save what they get; those that still wait for their turn get none. Calls
        afterwards raise `RuntimeError`, until the pool is entered again. Cancelling it ends the waiting only: the
        closing goes on, and calling it again waits for its end.
        """
        home = self._here()
        self._closed = True
        if home is not None:
            await home.closed()

    def _open(self) -> _Home[K, C]:
        if self._closed:
            message = "this pool is closed; enter it again with `async with`"
            raise RuntimeError(message)
        home = self._here()
        if home is None:
            home = self._home = _Home(self._make, self._max_clients, self._idle, self._per_second)
        return home

    def _here(self) -> _Home[K, C] | None:
        """Give what there is in the running event loop; what a closed one left behind, or a fork, is left alone."""
        home, loop = self._home, asyncio.get_running_loop()
        if home is None or (home.loop is loop and home.process == os.getpid()):
            return home
        if home.process != os.getpid():
            _inherited.append(home)
        elif not home.loop.is_closed():
            message = "this pool belongs to another event loop, which still lives: make one for each loop"
            raise RuntimeError(message)
        self._home = None
        return None


@final
class _Entry(Generic[C]):
    """Be one client, how many use it, and since when, by the loop's time, nobody does."""

    __slots__ = ("client", "idle_since", "users")

    def __init__(self, client: C) -> None:
        self.client = client
        self.users = 0
        self.idle_since = 0.0


@final
class _Lease(AbstractAsyncContextManager[C], Generic[K, C]):
    """Be one use of one client. Nothing here is waited for, so that there is nothing to cancel."""

    __slots__ = ("_entry", "_home", "_key", "_open")

    def __init__(self, open_home: Callable[[], _Home[K, C]], key: K) -> None:
        self._open = open_home
        self._key = key

    async def __aenter__(self) -> C:
        self._home = self._open()
        self._entry = self._home.take(self._key)
        return self._entry.client

    async def __aexit__(self, *_: object) -> None:
        self._home.release(self._key, self._entry)


@final
class _Home(Generic[K, C]):
    """Be what a pool has in one event loop of one process."""

    def __init__(
        self, make: Callable[[K, ClientSession], C], max_clients: int, idle: float, per_second: float | None
    ) -> None:
        self.loop: Final = asyncio.get_running_loop()
        self.process: Final = os.getpid()
        self.closing: asyncio.Task[None] | None = None
        self._make = make
        self._max_clients = max_clients
        self._idle_seconds = idle
        self._pace = None if per_second is None else Pace(per_second)
        self._session = ClientSession()
        self._used: dict[K, _Entry[C]] = {}
        self._idle: OrderedDict[K, _Entry[C]] = OrderedDict()
        self._ending: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._used) + len(self._idle)

    def take(self, key: K) -> _Entry[C]:
        """Give *key*'s client to one user more."""
        entry = self._used.get(key)
        if entry is None:
            entry = self._used[key] = self._idle.pop(key) if key in self._idle else self._made(key)
            self._push_out()
        entry.users += 1
        return entry

    def release(self, key: K, entry: _Entry[C]) -> None:
        """Take it back from one of its users."""
        entry.users -= 1
        if entry.users or self.closing is not None:
            return
        entry.idle_since = self.loop.time()
        self._idle[key] = self._used.pop(key)
        self._push_out()
        if self._timer is None and self._idle_seconds < inf:
            self._sweep_in(self._idle_seconds)

    async def closed(self) -> None:
        """Wait until everything is ended, which begins now if it has not; again, where a shutdown has cancelled it."""
        if self.closing is None or self.closing.cancelled():
            self.closing = self.loop.create_task(self._close(), name="vendorauth close")
        # shield: a cancelled `async with` has nobody to call this again, and would leave its connections open.
        await asyncio.shield(self.closing)

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._pace is not None:
            self._pace.close()
        for entry in (*self._used.values(), *self._idle.values()):
            self._end(entry)
        self._used.clear()
        self._idle.clear()
        try:
            if self._ending:
                await asyncio.wait(self._ending, timeout=CLOSE_WITHIN)
        finally:
            await self._session.close()
        if self._ending:
            log.warning("%d clients could not be closed within %g s", len(self._ending), CLOSE_WITHIN)

    def _made(self, key: K) -> _Entry[C]:
        client = self._make(key, self._session)
        if self._pace is not None:
            client.tokens.pace(self._pace)
        return _Entry(client)

    def _push_out(self) -> None:
        while self._idle and len(self) > self._max_clients:
            _, entry = self._idle.popitem(last=False)
            self._end(entry)

    def _sweep_in(self, seconds: float) -> None:
        # The context is empty: else whoever comes first would be kept, and told of in logs, for as long as the pool.
        self._timer = Context().run(self.loop.call_later, seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long, some at a time, and come again when the next one is."""
        self._timer = None
        now, room = self.loop.time(), AT_ONCE
        while self._idle:
            key, entry = next(iter(self._idle.items()))
            left = entry.idle_since + self._idle_seconds - now
            if left > 0 or not room:
                self._sweep_in(max(left, _BREATHER))
                return
            del self._idle[key]
            self._end(entry)
            room -= 1

    def _end(self, entry: _Entry[C]) -> None:
        ending = asyncio.ensure_future(entry.client.aclose())
        self._ending.add(ending)
        ending.add_done_callback(self._ended)

    def _ended(self, ending: asyncio.Future[None]) -> None:
        self._ending.discard(ending)
        error = None if ending.cancelled() else ending.exception()
        if error is not None:
            log.warning("a client could not be closed: %s", type(error).__name__)


_inherited: Final[list[object]] = []
"""What a fork's child got of its parent: neither used nor closed, which would say good-bye to the parent's servers."""


def _check(name: str, number: Any, kind: type[int] | UnionType = int | float, *, most: float = inf) -> None:
    if not isinstance(number, kind) or isinstance(number, bool) or not 0 < number <= most:
        message = f"{name} must be a positive {'integer' if kind is int else 'number'}"
        raise ConfigurationError(message)
