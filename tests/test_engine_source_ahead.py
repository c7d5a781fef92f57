"""Renewing ahead of expiry, and what a token's age means to its callers (DESIGN, rules 7, 9, 11)."""

import asyncio

import pytest

from _vendor import World, settle
from vendorauth import (
    AuthServiceUnavailable,
    PasswordCredentials,
    RefreshPolicy,
    RenewalFailed,
    Renewed,
    Response,
    Token,
)

AGEING = 3300.0


STALE = 3550.0


DEAD = 3601.0


FAILING = Response(503, {}, b"")


@pytest.fixture
def world() -> World:
    return World()


async def test_failed_renewal_pauses_with_growing_waits(world: World) -> None:
    """Rule 9: during a pause callers fail at once; the pauses grow, and a success ends them."""
    world.vendor.script["login"].extend([FAILING] * 6)
    source = world.source(policy=RefreshPolicy(backoff=(1.0, 60.0)))
    for attempt in range(1, 7):
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
        assert attempt == world.vendor.count["login"]
        assert attempt == source.status().failures
        assert 2 ** (attempt - 2) <= (source.status().retry_in or 0) <= 2 ** (attempt - 1)
        world.clock.advance(2.0 ** (attempt - 1))
    await source.token()
    assert 0 == source.status().failures


async def test_retry_after_lengthens_the_pause_up_to_a_minute(world: World) -> None:
    """Rule 9: the vendor's Retry-After is obeyed, for at most 60 s."""
    source = world.source()
    for asked, obeyed in (("30", 30.0), ("86400", 60.0)):
        world.vendor.script["login"].append(Response(503, {"Retry-After": asked}, b""))
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
        assert obeyed == pytest.approx(source.status().retry_in)
        world.clock.advance(obeyed)


async def test_ahead_of_expiry_nobody_waits(world: World) -> None:
    """Rule 7: one background renewal runs while the old token serves all; the next call has the new one."""
    source = world.source()
    old = await source.token()
    world.clock.advance(AGEING)
    gate = world.vendor.gate("refresh")
    for _ in range(10):
        assert old is await source.token()
    await gate.arrived.wait()
    assert old is await source.token()
    gate.open()
    await settle()
    new = await source.token()
    assert new.generation > old.generation
    assert 1 == world.vendor.count["refresh"]
    assert [False, True] == [event.ahead for event in world.told(Renewed)]


async def test_failed_ahead_renewal_hurts_nobody(world: World) -> None:
    """Rules 7, 9: its failure is an event; the token serves, the next try waits for the pause, and then succeeds."""
    source = world.source()
    old = await source.token()
    world.clock.advance(AGEING)
    world.vendor.script["refresh"].append(FAILING)
    assert old is await source.token()
    await settle()
    assert [True] == [event.ahead for event in world.told(RenewalFailed)]
    for _ in range(5):
        assert old is await source.token()
    await settle()
    assert 1 == world.vendor.count["refresh"]
    world.clock.advance(1.0)
    assert old is await source.token()
    await settle()
    assert old is not await source.token()
    assert 2 == world.vendor.count["refresh"]


async def test_ahead_sends_no_password(world: World) -> None:
    """Rule 7: refused, it does not log in, and does not start again; whoever needs a token later logs in."""
    source = world.source()
    old = await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(AGEING)
    for _ in range(3):
        assert old is await source.token()
        await settle()
    assert (1, 1) == (world.vendor.count["refresh"], world.vendor.count["login"])
    world.clock.advance(STALE - AGEING)
    assert old is not await source.token()
    assert (1, 2) == (world.vendor.count["refresh"], world.vendor.count["login"])


async def test_joining_a_refused_ahead_renewal_goes_on_to_log_in(world: World) -> None:
    """Rule 7: a caller who joined it goes on with a renewal that may log in."""
    source = world.source()
    old = await source.token()
    world.vendor.refresh_tokens.clear()
    gate = world.vendor.gate("refresh")
    world.clock.advance(AGEING)
    await source.token()
    await gate.arrived.wait()
    joined = asyncio.ensure_future(source.renew(old))
    await settle()
    gate.open()
    assert (await joined).is_newer_than(old)
    assert (1, 2) == (world.vendor.count["refresh"], world.vendor.count["login"])


async def test_no_ahead_renewal_without_a_refresh_token(world: World) -> None:
    """Rule 7: where there is no refresh token, none starts."""
    world.vendor.gives_refresh_token = False
    source = world.source()
    old = await source.token()
    world.clock.advance(AGEING)
    assert old is await source.token()
    await settle()
    assert 1 == world.vendor.count["login"]


async def test_old_token_serves_until_it_really_ends(world: World) -> None:
    """Rule 7: with less than the leeway left, a passing failure hands out the old token, and its end ends that."""
    source = world.source()
    old = await source.token()
    world.clock.advance(STALE)
    world.vendor.script["refresh"].extend([FAILING] * 9)
    assert old is await source.token()
    assert old is await source.token()
    assert 1 == world.vendor.count["refresh"]
    world.clock.advance(51.0)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()


async def test_a_token_from_the_vendor_is_handed_out_once_and_stuck_ones_pause(world: World) -> None:
    """Rule 7: a token that is born dead is handed out; then pauses keep its successors from a storm."""
    world.vendor.life = 0.0
    source = world.source()
    first = await source.token()
    assert "token-1" == first.value
    for _ in range(5):
        with pytest.raises(AuthServiceUnavailable, match="ends no later"):
            await source.token()
    assert {"login": 1, "issued": 1} == dict(world.vendor.count)
    world.clock.advance(1.0)
    assert "token-2" == (await source.token()).value


async def test_a_token_that_ends_no_later_than_its_predecessor_brings_pauses(world: World) -> None:
    """Rule 7: the same end again and again does not make a renewal for every call."""
    source = world.source()
    await source.token()
    world.clock.advance(STALE)
    world.vendor.life = 40.0
    first = await source.token()
    for _ in range(5):
        assert first is await source.token()
        await settle()
    assert 1 == world.vendor.count["refresh"]


async def test_tokens_of_three_seconds_serve(world: World) -> None:
    """Rules 7, 11: a short life scales leeway and window, so that a renewal is due every few seconds, not every call."""
    world.vendor.life = 3.0
    source = world.source()
    for _ in range(100):
        await source.token()
        await settle()
        world.clock.advance(0.3)
    assert 10 <= world.vendor.count["issued"] <= 15


async def test_clock_jumps_are_noticed(world: World) -> None:
    """Rule 11: a suspended machine and a clock set forward find the token old; one set back does not keep it young."""
    for jump, past in ((world.clock.suspend, DEAD), (world.clock.step, DEAD)):
        source = world.source(account=jump.__name__)
        old = await source.token()
        jump(past)
        assert (await source.token()).is_newer_than(old)
    source = world.source(account="back")
    old = await source.token()
    world.clock.step(-7200.0)
    world.clock.advance(DEAD)
    assert (await source.token()).is_newer_than(old)


async def test_stored_token_is_not_believed_to_live_longer_than_its_life(world: World) -> None:
    """Rule 11: loaded while the clock is an hour slow, a token still ends after the life that the vendor gave it."""
    await world.source().token()
    world.clock.step(-3600.0)
    later = world.source(PasswordCredentials("jane", "other"))
    old = await later.token()
    world.clock.advance(DEAD)
    world.vendor.passwords.add("other")
    assert (await later.token()).is_newer_than(old)


async def test_living_token_waits_for_no_look_at_the_store(world: World) -> None:
    """Rules 7, 9b: the store is read for those who would get an error; a hung one holds up nobody else."""
    source = world.source()
    old = await source.token()
    world.clock.advance(STALE)
    world.vendor.script["refresh"].append(FAILING)
    assert old is await source.token()
    source._setup.vault.store.load = _hang  # type: ignore[method-assign]  # a store that hangs from now on
    assert old is await source.token()


async def _hang(account: str) -> Token | None:
    await asyncio.Event().wait()
    return None


async def test_fresh_again_after_a_pause(world: World) -> None:
    """Rule 1: once a failed login's pause is over, the fresh path is as short as before."""
    source = world.source()
    await source.token()
    world.vendor.script["login"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await source.login()
    world.clock.advance(2.0)
    token = await source.token()
    assert token is source.fresh()
