"""Stores that somebody else has written to meanwhile (DESIGN, rules 5, 16)."""

import asyncio
from datetime import timedelta

import attrs
import pytest

from _keeping import ACCOUNT, SOON, Store
from _stores import WrappedStore
from _vendor import World
from vendorauth import (
    Renewed,
    StoreConflict,
    StoreTrouble,
    StoreUnavailable,
    Token,
)
from vendorauth.engine.keeping import Keeper


@pytest.fixture
def world() -> World:
    return World(store=Store())


class ConflictStore(Store):
    """Let somebody else save first."""

    newer: Token | None = None

    async def save(self, account: str, token: Token) -> None:
        if self.newer is not None and account == ACCOUNT:
            await super().save(account, attrs.evolve(self.newer, generation=token.generation + 1))
            self.newer = None
            raise StoreConflict("newer")  # noqa: EM101  a test's
        await super().save(account, token)


@pytest.mark.parametrize("living", [True, False])
async def test_conflict_takes_the_newer_token(world: World, living: bool) -> None:
    """DESIGN 3: the newer token stays, the loser reads it and goes on: with it, if it lives, else above it."""
    world.store = ConflictStore()
    now = world.clock.now()
    ends = now + timedelta(hours=1 if living else -1)
    world.store.newer = Token(value="sibling's", issued_at=now - timedelta(hours=2), expires_at=ends)
    token = await world.source().token()
    assert ("sibling's" if living else "token-1") == token.value
    assert token == await world.store.load(ACCOUNT)
    assert not world.told(StoreTrouble)
    assert ("store" if living else "login") == world.told(Renewed)[-1].how


async def test_conflict_whose_token_cannot_be_read(world: World) -> None:
    """Rule 16: then our own serves."""
    world.store = ConflictStore()
    world.store.newer = Token(value="sibling's", issued_at=world.clock.now())

    async def load(account: str) -> Token | None:
        if world.store.newer is None and account == ACCOUNT:
            raise StoreUnavailable("down")  # noqa: EM101  a test's
        return await WrappedStore.load(world.store, account)

    world.store.load = load
    assert "token-1" == (await world.source().token()).value


async def test_repeated_save_stops_where_somebody_else_is_newer(world: World) -> None:
    """Rule 16: a StoreConflict ends the repeating: the store has a newer token."""
    world.store.failing = {"save"}
    source = world.source(policy=SOON)
    token = await source.token()
    world.store.failing.clear()
    await world.store.inner.save(ACCOUNT, attrs.evolve(token, generation=token.generation + 1))
    while source.status().unsaved:
        await asyncio.sleep(0)
    assert token.generation + 1 == (await world.store.load(ACCOUNT)).generation


@pytest.mark.parametrize("living", [True, False])
async def test_repeated_save_goes_over_to_the_newer_token(world: World, living: bool) -> None:
    """Rule 16: whoever logged in alone during an outage shares the others' token as soon as the store is back, if it lives."""
    world.store.failing = {"save"}
    source = world.source(policy=SOON)
    token = await source.token()
    ends = world.clock.now() + timedelta(hours=1 if living else -1)
    theirs = attrs.evolve(token, value="sibling's", generation=token.generation + 1, expires_at=ends)
    await world.store.inner.save(ACCOUNT, theirs)
    world.store.failing.clear()
    while source.status().unsaved:
        await asyncio.sleep(0)
    assert ("sibling's" if living else token.value) == (await source.token()).value
    assert theirs == await world.store.load(ACCOUNT)


async def test_conflict_that_repeats(world: World) -> None:
    """Rule 16: where even the renumbered token meets a conflict, it serves from memory and is saved later."""
    world.store = ConflictStore()
    now = world.clock.now()
    dead = Token(value="sibling's", issued_at=now - timedelta(hours=2), expires_at=now - timedelta(hours=1))
    world.store.newer = dead
    saves = 0

    async def save(account: str, token: Token) -> None:
        nonlocal saves
        saves += 1
        if saves == 2:
            raise StoreConflict("again")  # noqa: EM101  a test's
        await ConflictStore.save(world.store, account, token)

    world.store.save = save
    source = world.source(policy=SOON)
    token = await source.token()
    assert source.status().unsaved
    while source.status().unsaved:
        await asyncio.sleep(0)
    assert token == await world.store.load(ACCOUNT)


async def test_what_is_newer_here_is_not_given_up_for_the_store(world: World) -> None:
    """Rule 5: a look at the store that ends late does not bring an older token back."""
    source = world.source()
    token = await source.token()
    older = attrs.evolve(token, value="older", generation=token.generation - 1)
    assert token is Keeper(source._setup, source._account).adopt(older)
    assert token is source.peek()
