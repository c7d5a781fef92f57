"""Refused refresh tokens and lost answers (DESIGN, rules 8, 9a, 9b)."""

import asyncio

import pytest

from _renewals import ACCOUNT, DEAD, FAILING, OTHER, BrokenStore, WatchedStore, sibling
from _vendor import World
from vendorauth import (
    AuthServiceUnavailable,
    ProtocolError,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    Response,
    TransportError,
)


@pytest.fixture
def world() -> World:
    made = World()
    made.vendor.passwords.add(OTHER.password)
    return made


async def test_refused_refresh_falls_back_to_the_password(world: World) -> None:
    """Rule 8: refused definitely, a password logs in."""
    source = world.source()
    await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(DEAD)
    assert "token-2" == (await source.token()).value
    assert (2, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_refused_refresh_reads_the_store_once_more(world: World) -> None:
    """Rule 8: refused, because somebody else has rotated: that one's token is used."""
    source = world.source()
    await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(DEAD)
    gate = world.vendor.gate("refresh")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    newer = await sibling(world)
    gate.open()
    assert newer == await call
    assert 1 == world.vendor.count["login"]


async def test_refused_refresh_goes_on_with_a_siblings_refresh_token(world: World) -> None:
    """Rule 8: where the sibling's token is old as well, its refresh token is tried, then the password."""
    source = world.source()
    await source.token()
    world.vendor.refresh_tokens = {"sibling's"}
    world.clock.advance(DEAD)
    gate = world.vendor.gate("refresh")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    await sibling(world, expires_at=world.clock.now())
    gate.open()
    assert "sibling's" == (await call).refresh_token
    assert (1, 2) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_configured_refresh_token_logs_in_and_is_the_second_choice(world: World) -> None:
    """Rule 8: the stored refresh token first; refused, the configured one, if it differs."""
    source = world.source(RefreshTokenCredentials("configured"))
    first = await source.token()
    assert "configured" == first.refresh_token
    world.vendor.rotates = True
    world.clock.advance(DEAD)
    rotated = await source.token()
    assert "refresh-2" == rotated.refresh_token
    world.vendor.refresh_tokens = {"configured"}
    world.clock.advance(DEAD)
    assert (await source.token()).is_newer_than(rotated)
    assert 2 == world.vendor.count["login-by-refresh-token"]


async def test_refused_configured_refresh_token(world: World) -> None:
    """Rules 8, 9b: nothing else is left: ReauthenticationRequired, latched, and tried again after the pause."""
    world.vendor.refresh_tokens.clear()
    source = world.source(RefreshTokenCredentials("configured"))
    for _ in range(3):
        with pytest.raises(ReauthenticationRequired):
            await source.token()
    assert 1 == world.vendor.count["login-by-refresh-token"]
    world.clock.advance(1.0)
    world.vendor.refresh_tokens.add("configured")
    await source.token()


async def test_the_same_configured_refresh_token_is_not_sent_twice(world: World) -> None:
    """Rule 8: the configured refresh token counts only if it differs from the refused one."""
    source = world.source(RefreshTokenCredentials("configured"))
    await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(DEAD)
    with pytest.raises(ReauthenticationRequired):
        await source.token()
    assert (1, 1) == (world.vendor.count["login-by-refresh-token"], world.vendor.count["refresh"])


@pytest.mark.parametrize("loss", ["lost", "unreadable"])
async def test_lost_answer_is_asked_for_once_more(world: World, loss: str) -> None:
    """Rule 9a: the same renewal sends the refresh once more, at once, and gets its token."""
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    world.vendor.script["refresh"].append(loss)
    await source.token()
    assert 2 == world.vendor.count["refresh"]


async def test_lost_answer_of_a_rotating_refresh_ends_at_the_password(world: World) -> None:
    """Rules 9a, 8: the token family is dead after the repeat: one login, no dead end."""
    source = world.source()
    await source.token()
    world.vendor.rotates = True
    world.clock.advance(DEAD)
    world.vendor.script["refresh"].append("lost")
    await source.token()
    assert (2, 2) == (world.vendor.count["refresh"], world.vendor.count["login"])


@pytest.mark.parametrize(
    "failure", [FAILING, Response(302, {}, b"<html>"), TransportError("POST /refresh: can't connect", False)]
)
async def test_known_failures_are_not_repeated(world: World, failure: object) -> None:
    """Rules 9, 9a: a 5xx, a redirect, a refused connection: one renewal makes one try, and all tokens are kept."""
    source = world.source()
    old = await source.token()
    world.clock.advance(DEAD)
    world.vendor.script["refresh"].append(failure)
    with pytest.raises((AuthServiceUnavailable, ProtocolError, TransportError)):
        await source.token()
    assert 1 == world.vendor.count["refresh"]
    assert old == await world.store.load(ACCOUNT)


async def test_lost_login_is_not_repeated(world: World) -> None:
    """Rule 9a is for refreshes: a login whose answer is lost is one try."""
    world.vendor.script["login"].append("lost")
    with pytest.raises(TransportError):
        await world.source().token()
    assert 1 == world.vendor.count["login"]


async def test_latched_error_ends_when_a_sibling_has_a_token(world: World) -> None:
    """Rule 9b: before it is raised, the store is read, at most once a second."""
    world.store = WatchedStore(world)
    source = world.source()
    world.vendor.script["login"].append(Response(503, {"Retry-After": "60"}, b""))
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    world.store.log.clear()
    for _ in range(5):
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
    assert ["load"] == world.store.log
    newer = await sibling(world)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    world.clock.advance(1.0)
    assert [newer] * 5 == list(await asyncio.gather(*(source.token() for _ in range(5))))
    assert 1 == world.vendor.count["login"]


async def test_doubtful_refresh_token_is_not_spent_without_the_lock(world: World) -> None:
    """Rule 16: without a lock, one that was seen to rotate is not spent while a password can be used."""
    world.vendor.rotates = True
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    rotated = await source.token()
    assert rotated.details["rotates"] is True
    world.store.lock = BrokenStore().lock
    world.clock.advance(DEAD)
    await source.token()
    assert (2, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_doubtful_refresh_token_is_spent_where_nothing_else_is_left(world: World) -> None:
    """Rule 16: a service that has nothing but its refresh token goes on with it."""
    world.vendor.rotates = True
    source = world.source(RefreshTokenCredentials("configured"))
    await source.token()
    world.store.lock = BrokenStore().lock
    world.clock.advance(DEAD)
    await source.token()
    assert 1 == world.vendor.count["refresh"]


async def test_dead_refresh_token_is_tried_again_where_nothing_else_is_left(world: World) -> None:
    """Rule 9b: a vendor that refused in an outage is asked again after the pause, and the service recovers."""
    world.vendor.refresh_tokens = {"configured"}
    source = world.source(RefreshTokenCredentials("configured"))
    await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(DEAD)
    with pytest.raises(ReauthenticationRequired):
        await source.token()
    world.vendor.refresh_tokens.add("configured")
    world.clock.advance(1.0)
    await source.token()
