"""Logging out: revoke, delete, forget (DESIGN, rule 14)."""

import asyncio

import attrs
import pytest

from _stores import WrappedStore
from _vendor import JANE, World, settle
from vendorauth import (
    LoggedOut,
    ReauthenticationRequired,
    Response,
    StoreUnavailable,
    TransportError,
)
from vendorauth.engine import logout

ACCOUNT = "jane@vendor"


@pytest.fixture
def world() -> World:
    return World()


async def test_logout_revokes_deletes_and_forgets(world: World) -> None:
    """Rule 14: afterwards neither vendor nor store nor memory has the token; the next call logs in."""
    source = world.source()
    first = await source.token()
    await source.logout()
    assert source.peek() is None
    assert await world.store.load(ACCOUNT) is None
    assert first.refresh_token not in world.vendor.refresh_tokens
    await settle()
    assert [True] == [event.revoked for event in world.told(LoggedOut)]
    assert (await source.token()).generation > first.generation
    assert 2 == world.vendor.count["login"]


async def test_logout_revokes_what_store_and_memory_hold(world: World) -> None:
    """Rule 14: both, where they differ."""
    source = world.source()
    token = await source.token()
    other = attrs.evolve(token, refresh_token="sibling's", generation=token.generation + 1)
    world.vendor.refresh_tokens.add("sibling's")
    await world.store.save(ACCOUNT, other)
    await source.logout()
    assert 2 == world.vendor.count["revoke"]
    assert {"configured"} == world.vendor.refresh_tokens


@pytest.mark.parametrize("failure", [Response(500, {}, b""), TransportError("POST /revoke: refused", False)])
async def test_revocation_that_fails_is_an_event(world: World, failure: object) -> None:
    """Rule 14: the tokens are forgotten here all the same."""
    source = world.source()
    await source.token()
    world.vendor.script["revoke"].append(failure)
    await source.logout()
    await settle()
    (event,) = world.told(LoggedOut)
    assert not event.revoked
    assert event.error is not None
    assert await world.store.load(ACCOUNT) is None


async def test_revocation_has_five_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 14: a vendor that hangs does not hold a logout up for longer."""
    assert 5.0 == logout.REVOKE_WITHIN
    monkeypatch.setattr(logout, "REVOKE_WITHIN", 0.01)
    source = world.source()
    await source.token()
    world.vendor.gate("revoke")
    await source.logout()
    assert await world.store.load(ACCOUNT) is None


async def test_renew_of_a_logged_out_token(world: World) -> None:
    """Rule 14: a call under way does not log in behind the person's back, even after somebody has logged in again."""
    source = world.source()
    token = await source.token()
    await source.logout()
    with pytest.raises(ReauthenticationRequired, match="logged out"):
        await source.renew(token)
    await source.token()
    with pytest.raises(ReauthenticationRequired, match="logged out"):
        await source.renew(token)


async def test_renew_that_waits_while_somebody_logs_out(world: World) -> None:
    """Rule 14: logout() waits for the exchange in flight; who waits after it is told."""
    source = world.source()
    token = await source.token()
    gate = world.vendor.gate("revoke")
    leaving = asyncio.ensure_future(source.logout())
    await gate.arrived.wait()
    call = asyncio.ensure_future(source.renew(token))
    await settle()
    gate.open()
    await leaving
    with pytest.raises(ReauthenticationRequired, match="logged out"):
        await call


async def test_logout_during_a_renewal(world: World) -> None:
    """Rule 14: the renewal's token is revoked as well; whoever waited for it has it."""
    source = world.source()
    token = await source.token()
    gate = world.vendor.gate("refresh")
    call = asyncio.ensure_future(source.renew(token))
    await gate.arrived.wait()
    leaving = asyncio.ensure_future(source.logout())
    await settle()
    assert not leaving.done()
    gate.open()
    await leaving
    await call
    assert await world.store.load(ACCOUNT) is None
    assert source.peek() is None


async def test_token_while_somebody_logs_out(world: World) -> None:
    """Rule 14: it forgets tokens, not credentials: who waits for the logout logs in after it."""
    source = world.source()
    await source.token()
    gate = world.vendor.gate("revoke")
    leaving = asyncio.ensure_future(source.logout())
    await gate.arrived.wait()
    call = asyncio.ensure_future(source.token())
    await settle()
    assert 1 == world.vendor.count["login"]
    gate.open()
    await leaving
    await call
    assert 2 == world.vendor.count["login"]


async def test_cancelled_logout_goes_on(world: World) -> None:
    """Rule 3: cancelling the caller does not leave half a logout."""
    source = world.source()
    await source.token()
    gate = world.vendor.gate("revoke")
    leaving = asyncio.ensure_future(source.logout())
    await gate.arrived.wait()
    leaving.cancel()
    gate.open()
    await asyncio.wait({leaving})
    await settle()
    assert await world.store.load(ACCOUNT) is None


class DeafStore(WrappedStore):
    """Refuse to delete, and to load once *deaf*."""

    deaf = False

    async def load(self, account: str) -> object:  # type: ignore[override]  # it raises, or passes on
        if self.deaf:
            message = "down"
            raise StoreUnavailable(message)
        return await super().load(account)

    async def delete(self, account: str) -> None:
        message = "down"
        raise StoreUnavailable(message)


@pytest.mark.parametrize("strict", [True, False])
async def test_store_that_cannot_delete(world: World, strict: bool) -> None:
    """Rules 14, 16: it is forgotten here, and not taken up again from the store; strict_store raises."""
    world.store = DeafStore()
    source = world.source(strict_store=strict)
    token = await source.token()
    if strict:
        with pytest.raises(StoreUnavailable):
            await source.logout()
    else:
        await source.logout()
    assert (await source.token()).is_newer_than(token)
    assert 2 == world.vendor.count["login"]


async def test_store_that_cannot_be_read(world: World) -> None:
    """Rule 14: what memory holds is revoked all the same."""
    world.store = DeafStore()
    source = world.source()
    await source.token()
    world.store.deaf = True
    await source.logout()
    assert 1 == world.vendor.count["revoke"]


async def test_logout_of_nothing(world: World) -> None:
    """Logging out twice, or before any login, is no error, and asks nobody."""
    source = world.source()
    await source.logout()
    await settle()
    assert [False] == [event.revoked for event in world.told(LoggedOut)]
    assert {} == dict(world.vendor.count)


async def test_flow_with_a_bug_in_revoke_still_deletes(world: World) -> None:
    """Rule 14: whatever happens at the vendor's, the store is emptied."""
    source = world.source(JANE)
    token = await source.token()
    await world.store.save(ACCOUNT, attrs.evolve(token, refresh_token="", generation=token.generation + 1))
    world.vendor.script["revoke"].append(ValueError("a bug"))
    with pytest.raises(Exception, match="ValueError"):
        await source.logout()
    assert await world.store.load(ACCOUNT) is None
