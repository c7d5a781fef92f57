"""One renewal: store, refresh, login, in this order (DESIGN, rules 4, 5, 6, 8, 9a, 9b)."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from _renewals import ACCOUNT, DEAD, FAILING, OTHER, BrokenStore, WatchedStore, sibling
from _stores import WrappedStore
from _vendor import World, settle
from vendorauth import (
    AuthServiceUnavailable,
    ProtocolError,
    RefreshPolicy,
    Renewed,
    RequestTimeout,
    Response,
    StoreLockTimeout,
    StoreUnavailable,
)


@pytest.fixture
def world() -> World:
    made = World()
    made.vendor.passwords.add(OTHER.password)
    return made


async def test_order_of_a_renewal(world: World) -> None:
    """Rule 5: look without the lock; lock, read again, exchange, save, release."""
    world.store = WatchedStore(world)
    source = world.source()
    await source.token()
    assert ["load", "lock", "load", "save token-1", "release"] == world.store.log
    world.store.log.clear()
    world.clock.advance(DEAD)
    await source.token()
    assert ["lock", "load", "save token-2", "release"] == world.store.log


async def test_stored_token_is_used_without_the_lock(world: World) -> None:
    """Rule 5: with nothing in memory, a stored token with more life than the leeway is published at once."""
    first = await world.source().token()
    world.store = WatchedStore(world)
    await world.store.save(ACCOUNT, first)
    world.store.log.clear()
    assert first == await world.source().token()
    assert ["load"] == world.store.log


async def test_stored_token_in_its_leeway_is_not_used(world: World) -> None:
    """Rule 5: a stored token with less life than the leeway is refreshed."""
    first = await world.source().token()
    world.clock.advance(3550.0)
    token = await world.source(OTHER).token()
    assert token.is_newer_than(first)
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_siblings_newer_token_is_taken_under_the_lock(world: World) -> None:
    """Rule 5: what another process renewed meanwhile is used, without an exchange."""
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    newer = await sibling(world)
    assert newer == await source.token()
    assert 0 == world.vendor.count["refresh"]
    assert "store" == world.told(Renewed)[-1].how


async def test_siblings_token_in_its_ahead_window_is_refreshed(world: World) -> None:
    """Rule 5: a stored token that is due for renewal itself is no help: its refresh token is used."""
    source = world.source()
    await source.token()
    newer = await sibling(world)
    world.vendor.refresh_tokens.add("sibling's")
    world.clock.advance(DEAD - 601.0)
    world.clock.advance(601.0)
    renewed = await source.token()
    assert renewed.generation > newer.generation
    assert "sibling's" == renewed.refresh_token


async def test_empty_store_means_logged_out_elsewhere(world: World) -> None:
    """Rule 5: a sibling logged out, so the memory's refresh token is not used, and its token not served."""
    source = world.source()
    old = await source.token()
    await world.store.delete(ACCOUNT)
    renewed = await source.renew(old)
    assert (2, 0) == (world.vendor.count["login"], world.vendor.count["refresh"])
    await world.store.delete(ACCOUNT)
    world.vendor.script["login"].append(FAILING)
    world.clock.advance(3550.0)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    assert renewed.generation > old.generation


async def test_generation_rises_above_store_and_memory(world: World) -> None:
    """DESIGN 3: max(previous + 1, issued_at in ms), previous being the higher of store and memory."""
    source = world.source()
    first = await source.token()
    assert int(first.issued_at.timestamp() * 1000) == first.generation
    newer = await sibling(world)
    second = await source.login()
    assert newer.generation + 1 == second.generation
    third = await source.login()
    assert second.generation + 1 == third.generation


async def test_refresh_keeps_or_replaces_the_refresh_token(world: World) -> None:
    """Rule 6: an answer without a refresh token keeps the old one; one with it replaces it, saved before it is used."""
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    assert "refresh-1" == (await source.token()).refresh_token
    world.vendor.rotates = True
    world.clock.advance(DEAD)
    assert "refresh-3" == (await source.token()).refresh_token
    assert "refresh-3" == (await world.store.load(ACCOUNT)).refresh_token


async def test_deadline_aborts_the_exchange(world: World) -> None:
    """Rule 4: after the deadline every waiter gets RequestTimeout; a refresh is tried twice within it (9a)."""
    source = world.source(policy=RefreshPolicy(deadline=0.05))
    await source.token()
    world.clock.advance(DEAD)
    world.vendor.gate("refresh")
    results = await asyncio.gather(*(source.token() for _ in range(5)), return_exceptions=True)
    assert {RequestTimeout} == {type(one) for one in results}
    assert 2 == world.vendor.count["refresh"]


class LockedStore(WrappedStore):
    """Refuse the lock."""

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        message = "held by somebody else"
        raise StoreLockTimeout(message)


async def test_lock_that_cannot_be_had_in_time(world: World) -> None:
    """Rule 4: somebody else holds the lock for too long: StoreLockTimeout, unless the token still lives."""
    first = await world.source().token()
    world.store = LockedStore()
    await world.store.save(ACCOUNT, first)
    source = world.source()
    assert first == await source.token()
    world.clock.advance(3550.0)
    assert first == await source.token()
    world.clock.advance(60.0)
    with pytest.raises(StoreLockTimeout):
        await source.token()
    assert 0 == world.vendor.count["refresh"]


async def test_login_goes_straight_to_its_exchange(world: World) -> None:
    """Rule 5: login() asks the vendor, whatever is stored."""
    source = world.source()
    first = await source.token()
    second = await source.login()
    assert second.is_newer_than(first)
    assert second is await source.token()
    assert 2 == world.vendor.count["login"]


async def test_logins_that_wait_together_share_one(world: World) -> None:
    """Rules 5, 14: they wait for the exchange in flight, then make one login."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    logins = [asyncio.ensure_future(source.login()) for _ in range(5)]
    await settle()
    gate.open()
    first = await call
    tokens = await asyncio.gather(*logins)
    assert 1 == len({token.generation for token in tokens})
    assert tokens[0].is_newer_than(first)
    assert 2 == world.vendor.count["login"]


async def test_caller_joins_a_login_by_hand(world: World) -> None:
    """Rule 2: who needs a token while login() is under way takes its token."""
    source, gate = world.source(), world.vendor.gate("login")
    login = asyncio.ensure_future(source.login())
    await gate.arrived.wait()
    call = asyncio.ensure_future(source.token())
    await settle()
    gate.open()
    assert await login is await call


async def test_failed_login_by_hand_is_its_callers_error_alone(world: World) -> None:
    """Rule 9: who joined a login by hand that failed gets the pause's error, or the living token."""
    source = world.source()
    old = await source.token()
    world.vendor.script["login"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await source.login()
    assert old is await source.token()
    with pytest.raises(AuthServiceUnavailable):
        await source.renew(old)


async def test_unreachable_store_and_no_credentials(world: World) -> None:
    """Rule 16: where nothing could be read and there is nothing to log in with, the store is what is wrong."""
    world.store = BrokenStore()
    with pytest.raises(StoreUnavailable) as caught:
        await world.source(None).token()
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_flow_with_a_bug_is_told_by_its_place(world: World) -> None:
    """A flow that raises something else fails with its place and no value, and pauses like any failure."""
    world.vendor.script["login"].append(Response(200, {}, b'{"nothing": "secret-value"}'))
    source = world.source()
    with pytest.raises(ProtocolError, match=r"^KeyError in _token, .*_vendor.py:\d+$"):
        await source.token()
    with pytest.raises(ProtocolError):
        await source.token()
    assert 1 == world.vendor.count["login"]
