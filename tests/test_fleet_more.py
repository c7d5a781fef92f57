"""What processes that share a store see of each other, without processes: each has a store object of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from _stores import WrappedStore
from _vendor import World, settle
from vendorauth import FileTokenStore, MemoryTokenStore, StoreConflict, Token
from vendorauth.stores._files import RecordFile
from vendorauth.stores._names import stored_name

ACCOUNT = "jane@vendor"


@pytest.fixture
def world() -> World:
    return World()


class Counting(WrappedStore):
    """Be another process's way to *inner*, and count what is loaded."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__()
        self.inner, self.loads = inner, 0

    async def load(self, account: str) -> Token | None:
        self.loads += account == ACCOUNT
        return await super().load(account)


@pytest.mark.parametrize("when", ["due", "ahead", "refused"])
async def test_a_siblings_token_is_noticed(world: World, when: str) -> None:
    """Rules 1, 5: what another process has saved is taken over at a renewal, ahead too, and a refusal; not before."""
    store = Counting(world.store)
    here, there = world.source(store=store), world.source()
    first = await here.token()
    world.clock.advance(2000)
    newer = await there.login()
    loads = store.loads
    assert first == await here.token()
    assert loads == store.loads
    if when == "refused":
        assert newer == await here.renew(first)
    else:
        world.clock.advance(1590 if when == "due" else 1300)
        assert (newer if when == "due" else first) == await here.token()
        await settle()
    assert newer == here.peek()
    assert {"login": 2, "issued": 2} == world.vendor.count


async def test_a_store_that_went_back(world: World) -> None:
    """A replica that is promoted without the last record: who has the token goes on with it, and its next one stays."""
    world.vendor.rotates = True
    here = world.source()
    older = await here.token()
    renewed = await here.renew(older)
    await world.store.delete(ACCOUNT)
    await world.store.save(ACCOUNT, older)
    assert renewed == await here.token()
    last = await here.renew(renewed)
    assert last == await world.store.load(ACCOUNT)
    assert ([], 1) == (world.vendor.spent, world.vendor.count["login"])


async def test_a_new_process_after_a_store_went_back(world: World) -> None:
    """Who knows the older record only spends what was spent before: that costs one login, and then all is well."""
    world.vendor.rotates = True
    here = world.source()
    older = await here.token()
    await here.renew(older)
    await world.store.delete(ACCOUNT)
    await world.store.save(ACCOUNT, older)
    world.clock.advance(3600)
    there = world.source(store=Counting(world.store))
    token = await there.token()
    assert token == await world.store.load(ACCOUNT)
    assert ([older.refresh_token], 2) == (world.vendor.spent, world.vendor.count["login"])
    assert token == await here.token()


async def test_a_lock_that_is_removed_while_it_is_held(tmp_path: Path) -> None:
    """Then two hold it; what they save is compared all the same."""
    one, other = FileTokenStore(tmp_path / "store"), FileTokenStore(tmp_path / "store", lock_timeout=0)
    lock = RecordFile(tmp_path / "store", stored_name(ACCOUNT)).lock
    async with one.lock(ACCOUNT):
        lock.unlink()
        async with asyncio.timeout(5), other.lock(ACCOUNT):
            await other.save(ACCOUNT, _token(2))
        with pytest.raises(StoreConflict):
            await one.save(ACCOUNT, _token(1))
    assert _token(2) == await one.load(ACCOUNT)


def _token(generation: int) -> Token:
    return Token(value="a value", issued_at=World().clock.now(), generation=generation)
