"""What is used and closed leaves nothing, and what goes on does not grow: pitfall 46."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest

from _vendor import World
from vendorauth import MemoryTokenStore, NotFound, PasswordCredentials, ProtogridClient, TokenSource
from vendorauth.engine.account import Account
from vendorauth.testing import FakeProtogrid, ManualClock

APPS = "/api/v2/apps"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def grid(clock: ManualClock) -> AsyncIterator[FakeProtogrid]:
    async with FakeProtogrid(clock=clock.timestamp) as server:
        yield server


def protogrid_of(grid: FakeProtogrid, **options: Any) -> ProtogridClient:
    return ProtogridClient(grid.base_url, PasswordCredentials(grid.username, grid.password), **options)


def counted(kind: type[object]) -> int:
    gc.collect()
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


async def test_a_thousand_accounts_leave_nothing(clock: ManualClock) -> None:
    """Pitfall 46: Of a thousand accounts that were used, refused and closed, nothing stays in memory."""
    before = counted(Account)
    world = World(clock=clock, store=(store := MemoryTokenStore()))
    for number in range(1000):
        await _use_and_close(world.source(account=f"account {number}"), renew=number % 10 == 0)
    world.events.clear()
    assert before == counted(Account)
    assert ({}, {}) == (store._turns, store._holders)


async def _use_and_close(source: TokenSource, *, renew: bool) -> None:
    token = await source.token()
    if renew:
        token = await source.renew(token)
    for status in (401, 403):
        source.replay_refused(token, status)
    await source.aclose()


async def test_closed_clients_leave_nothing(grid: FakeProtogrid) -> None:
    """Pitfall 46: Clients over one session that is lent, of as many accounts as you like, leave nothing when closed."""
    before = counted(ProtogridClient)

    async def use(account: str) -> None:
        async with protogrid_of(grid, session=lent, account=account) as client:
            await client.get(APPS)

    async with aiohttp.ClientSession() as lent:
        for number in range(50):
            await use(f"account {number}")
        assert before == counted(ProtogridClient)


async def test_one_client_does_not_grow(grid: FakeProtogrid) -> None:
    """Pitfall 46: What a client keeps does not grow with its calls, paths, errors and renewals."""
    grid.requests, grid.issued = deque(maxlen=1), deque(maxlen=1)
    sizes: list[int] = []
    async with protogrid_of(grid) as client:
        for turn in range(3):
            for number in range(200):
                with pytest.raises(NotFound):
                    await client.get(f"{APPS}/{turn}-{number}")
                if number % 20 == 0:
                    grid.expire_all()
            sizes.append(counted(object))
        assert max(kept.cache_info().currsize for kept in cast(Any, (client._find, client._bare))) <= 256
    assert sizes[2] - sizes[1] < 200
