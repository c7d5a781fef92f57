"""Keeping a token: saving, trouble with saving, rolling cookies (DESIGN, rules 4, 16, 17)."""

import asyncio

import pytest

from _keeping import ACCOUNT, SOON, Store, rolled
from _stores import WrappedStore
from _vendor import World, settle
from vendorauth import (
    PasswordCredentials,
    StoreTrouble,
    StoreUnavailable,
    StoreUnreadable,
    Token,
)
from vendorauth.engine.keeping import last_save

DEAD = 3601.0


@pytest.fixture
def world() -> World:
    return World(store=Store())


@pytest.mark.parametrize("operation", ["load", "save", "lock", "release"])
async def test_store_trouble_is_told_and_the_token_serves(world: World, operation: str) -> None:
    """Rule 16: whatever the store can't do, the token serves this process, and an event says so."""
    world.store.failing = {operation}
    source = world.source(policy=SOON)
    token = await source.token()
    assert token is await source.token()
    assert operation in {event.operation for event in world.told(StoreTrouble)}
    assert 1 == world.vendor.count["login"]
    world.store.failing.clear()
    await source.aclose()
    assert token == await world.store.load(ACCOUNT)


async def test_failed_save_is_repeated_until_it_is_done(world: World) -> None:
    """Rule 16: by one task of its own, with pauses; status() tells that the token is unsaved."""
    world.store.failing = {"save"}
    source = world.source(policy=SOON)
    token = await source.token()
    assert source.status().unsaved
    while len(world.told(StoreTrouble)) < 3:
        await asyncio.sleep(0)
    world.store.failing.clear()
    await world.store.saved.wait()
    await settle()
    assert token == await world.store.load(ACCOUNT)
    assert not source.status().unsaved


async def test_close_tries_a_last_time(world: World) -> None:
    """Rule 16: aclose() ends the repeating after a last try, in vain or not."""
    world.store.failing = {"save"}
    source = world.source()
    await source.token()
    await source.aclose()
    await settle()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth")]
    assert await world.store.load(ACCOUNT) is None


async def test_close_of_one_source_leaves_the_repeating_to_the_other(world: World) -> None:
    """Rules 2, 16: somebody else still uses the account, so its token is still to be saved."""
    world.store.failing = {"save"}
    first, second = world.source(policy=SOON), world.source(policy=SOON)
    token = await first.token()
    await second.token()
    await first.aclose()
    world.store.failing.clear()
    await world.store.saved.wait()
    assert token == await world.store.load(ACCOUNT)


async def test_unsaved_refresh_token_is_the_one_to_spend(world: World) -> None:
    """Rules 5, 16: an unsaved token in memory has the newer refresh token, whatever the store says."""
    world.vendor.rotates = True
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    world.store.failing = {"save"}
    await source.token()
    world.clock.advance(DEAD)
    await source.token()
    assert [] == world.vendor.spent
    assert 1 == world.vendor.count["login"]


async def test_unsaved_token_is_no_logout(world: World) -> None:
    """Rule 5: an empty store does not mean logged out while the memory's token is unsaved."""
    world.store.failing = {"save"}
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    await source.token()
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


def test_unsaved_token_goes_along_into_the_next_run(world: World) -> None:
    """Rules 15, 16: a later asyncio.run of the same source still has it, and saves it."""
    world.store = Store()
    world.store.failing = {"save"}
    source = world.source()
    token = asyncio.run(source.token())
    world.store.failing.clear()

    async def later() -> Token:
        async with source:
            return await source.token()

    assert token == asyncio.run(later())
    assert token == asyncio.run(world.store.load(ACCOUNT))


async def test_unreadable_record_is_left_alone(world: World) -> None:
    """Rule 16: what is not ours to read is never overwritten; the token serves from memory."""
    world.store.failing = {"load", "save"}
    world.store.error = StoreUnreadable("a newer version's")
    source = world.source()
    token = await source.token()
    assert token is await source.token()
    assert {"load", "save"} == {event.operation for event in world.told(StoreTrouble)}


@pytest.mark.parametrize("operation", ["load", "save", "lock"])
async def test_strict_store_raises_as_well(world: World, operation: str) -> None:
    """Rule 16: with strict_store the trouble is the caller's; a token that came in stays in memory all the same."""
    world.store.failing = {operation}
    source = world.source(strict_store=True, policy=SOON)
    with pytest.raises(StoreUnavailable):
        await source.token()
    assert (operation == "save") is (source.peek() is not None)
    if operation == "save":
        assert source.peek() is await source.token()
        world.store.failing.clear()
        await world.store.saved.wait()


async def test_foreign_exceptions_are_chained(world: World) -> None:
    """Rule 16: what a user's store raises becomes StoreUnavailable, chained."""
    world.store.failing = {"save"}
    world.store.error = KeyError("the store's own")
    await world.source().token()
    (trouble,) = world.told(StoreTrouble)
    assert isinstance(trouble.error, StoreUnavailable)
    assert world.store.error is trouble.error.__cause__


async def test_shutdown_saves_what_was_answered(world: World) -> None:
    """Rules 3, 4: the loop shuts down while the answer is being saved: it is saved before the task ends."""
    source = world.source()
    world.store.gate, world.store.saving = asyncio.Event(), asyncio.Event()
    call = asyncio.ensure_future(source.token())
    await world.store.saving.wait()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    world.store.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert call.cancelled()
    assert "token-1" == (await world.store.load(ACCOUNT)).value


async def test_trouble_at_close_is_told(world: World) -> None:
    """Rule 16: a last save that fails is an event, and the close goes through."""
    source = world.source()
    token = await source.token()
    source.absorb(token, rolled("rolled-1"))
    world.store.failing = {"load"}
    await source.aclose()
    await settle()
    assert ["load"] == [event.operation for event in world.told(StoreTrouble)]


async def test_repeating_ends_with_a_logout(world: World) -> None:
    """Rules 14, 16: what is forgotten is not saved any more."""
    world.store.failing = {"save"}
    source = world.source(PasswordCredentials("jane", "s3cret"), policy=SOON)
    await source.token()
    await source.logout()
    world.store.failing.clear()
    while [task for task in asyncio.all_tasks() if task.get_name() == "vendorauth save"]:
        await asyncio.sleep(0)
    assert await world.store.load(ACCOUNT) is None


async def test_shutdown_after_a_logins_answer_loses_nothing(world: World) -> None:
    """Rules 3, 4: the token is saved before the memory of a refusal is looked at."""
    source = world.source()
    reached = asyncio.Event()

    async def load(account: str) -> Token | None:
        if account.endswith("|refused") and world.vendor.count["login"]:
            reached.set()
            await asyncio.Event().wait()
        return await WrappedStore.load(world.store, account)

    world.store.load = load
    call = asyncio.ensure_future(source.token())
    await reached.wait()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert call.cancelled()
    assert "token-1" == (await world.store.inner.load(ACCOUNT)).value


async def test_close_ends_the_repeating_also_when_all_is_saved(world: World) -> None:
    """Rule 16: the task that waits for its next try does not outlive aclose()."""
    world.store.failing = {"save"}
    source = world.source()
    token = await source.token()
    world.store.failing.clear()
    await source.renew(token)
    await source.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth")]


async def test_logout_waits_for_a_save_under_way(world: World) -> None:
    """Rules 14, 16: a repeated save that is under way ends before the record is deleted, lock or no lock."""
    world.store.failing = {"save", "lock"}
    source = world.source(policy=SOON)
    await source.token()
    world.store.gate, world.store.saving = asyncio.Event(), asyncio.Event()
    world.store.failing = {"lock"}
    await world.store.saving.wait()
    leaving = asyncio.ensure_future(source.logout())
    await settle()
    world.store.gate.set()
    await leaving
    await settle()
    assert await world.store.load(ACCOUNT) is None


def test_unsaved_token_is_saved_by_a_close_in_a_later_run(world: World) -> None:
    """Rules 15, 16: asyncio.run(use()), then asyncio.run(aclose()): the last try is made."""
    world.store = Store()
    world.store.failing = {"save"}
    source = world.source()
    token = asyncio.run(source.token())
    world.store.failing.clear()
    asyncio.run(source.aclose())
    assert token == asyncio.run(world.store.load(ACCOUNT))


async def test_nothing_to_save(world: World) -> None:
    """Rule 16: a save that is due after the token was forgotten saves nothing."""
    source = world.source()
    await source.token()
    account = source._account
    account.forget()
    account.unsaved = True
    await last_save(source._setup, account)
    assert "token-1" == (await world.store.load(ACCOUNT)).value
