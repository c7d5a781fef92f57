"""Cookies that roll (DESIGN, rule 17)."""

import asyncio

import attrs
import pytest

from _keeping import ACCOUNT, Store, rolled
from _vendor import World
from vendorauth.engine.keeping import last_save


@pytest.fixture
def world() -> World:
    return World(store=Store())


async def test_rolled_cookie_replaces_the_value_of_its_generation(world: World) -> None:
    """Rule 17: a new value on a successful answer to a request of the current generation is taken over."""
    source = world.source()
    token = await source.token()
    source.absorb(token, rolled("rolled-1"))
    source.absorb(token, rolled("refused", 403))
    current = await source.token()
    assert "rolled-1" == current.value
    assert token.generation == current.generation
    newer = await source.login()
    source.absorb(token, rolled("late"))
    assert newer is await source.token()
    assert "token-1" == token.value


async def test_rolled_cookie_counts_as_newer(world: World) -> None:
    """Rule 12: the same generation with another value, absorbed since, is what a refused request is replayed with."""
    source = world.source()
    token = await source.token()
    source.absorb(token, rolled("rolled-1"))
    assert "rolled-1" == (await source.renew(token)).value
    assert 0 == world.vendor.count["refresh"]


@pytest.mark.parametrize("stored", ["same", "newer", "none"])
async def test_rolled_cookie_is_saved_at_close_if_the_store_has_its_generation(world: World, stored: str) -> None:
    """Rule 17: under the lock, and only over the same generation."""
    source = world.source()
    token = await source.token()
    source.absorb(token, rolled("rolled-1"))
    newer = attrs.evolve(token, value="sibling's", generation=token.generation + 1)
    if stored == "newer":
        await world.store.save(ACCOUNT, newer)
    elif stored == "none":
        await world.store.delete(ACCOUNT)
    await source.aclose()
    loaded = await world.store.load(ACCOUNT)
    assert {"same": "rolled-1", "newer": "sibling's", "none": None}[stored] == (loaded.value if loaded else None)


async def test_absorb_without_a_token_does_nothing(world: World) -> None:
    """Rule 17: after a logout there is nothing to roll."""
    source = world.source()
    token = await source.token()
    await source.logout()
    source.absorb(token, rolled("rolled-1"))
    assert source.peek() is None


async def test_token_that_changes_while_it_is_saved(world: World) -> None:
    """Rules 16, 17: a cookie that rolls meanwhile is still to be saved."""
    source = world.source()
    token = await source.token()
    source.absorb(token, rolled("rolled-1"))
    world.store.gate, world.store.saving = asyncio.Event(), asyncio.Event()
    closing = asyncio.ensure_future(last_save(source._setup, source._account))
    await world.store.saving.wait()
    source.absorb(token, rolled("rolled-2"))
    world.store.gate.set()
    await closing
    assert source._account.rolled
