"""What a renewal ahead of expiry leaves to whoever waits for a token (rules 7, 9 and 16)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from _stores import WrappedStore
from _vendor import World, settle
from vendorauth import (
    AuthServiceUnavailable,
    RefreshPolicy,
    RenewalFailed,
    StoreError,
    StoreLockTimeout,
    StoreUnavailable,
    Token,
    TokenSource,
)

NEARLY_OVER = 3590.0
POLICY = RefreshPolicy(leeway=0.0, backoff=(60.0, 60.0))


class LockTrouble(WrappedStore):
    """Give no lock once there is *trouble*."""

    trouble: StoreError | None = None

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        if self.trouble is not None:
            raise self.trouble
        return super().lock(account)


@pytest.fixture
def world() -> World:
    world = World(store=LockTrouble())
    world.vendor.rotates = True
    return world


async def rotated(world: World, trouble: StoreError, **options: Any) -> tuple[TokenSource, Token]:
    """Give a source whose refresh token was seen to rotate, shortly before its token's end, without a lock to be had."""
    source = world.source(policy=POLICY, **options)
    token = await source.renew(await source.token())
    world.store.trouble = trouble
    world.clock.advance(NEARLY_OVER)
    return source, token


async def test_a_password_is_left_to_whoever_waits(world: World) -> None:
    """Rule 16: ahead, the refresh token is not spent without the lock, and no password sent; a dead token brings a login."""
    source, token = await rotated(world, StoreUnavailable("down"))
    for _ in range(3):
        assert token is await source.token()
        await settle()
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])
    assert [True] == [event.ahead for event in world.told(RenewalFailed)]
    world.clock.advance(15.0)  # dead, and the pause of the renewal ahead is not over
    assert (await source.token()).is_newer_than(token)
    assert (2, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_who_joined_goes_on(world: World) -> None:
    """Rule 7: a caller whose token was refused, and who joined the renewal ahead, goes on with one that logs in."""
    source, token = await rotated(world, StoreUnavailable("down"))
    assert token is await source.token()
    assert source.status().renewing
    assert (await source.renew(token)).is_newer_than(token)
    assert (2, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_a_login_that_fails_then_pauses(world: World) -> None:
    """Rule 9: the login that a waiting caller brings is paused for like any other when it fails."""
    source, _ = await rotated(world, StoreUnavailable("down"))
    await source.token()
    await settle()
    world.clock.advance(15.0)
    world.vendor.script["login"].append(AuthServiceUnavailable("POST: 503"))
    for _ in range(3):
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
    assert 2 == world.vendor.count["login"]


@pytest.mark.parametrize(
    ("trouble", "options"),
    [
        (StoreLockTimeout("held"), {}),
        (StoreUnavailable("down"), {"strict_store": True}),
    ],
)
async def test_other_trouble_stays_latched(world: World, trouble: StoreError, options: Any) -> None:
    """Rule 9: a lock that another holds, and strict_store, are heard of until the pause is over."""
    source, _ = await rotated(world, trouble, **options)
    await source.token()
    await settle()
    world.clock.advance(15.0)
    with pytest.raises(type(trouble)):
        await source.token()
    assert 1 == world.vendor.count["login"]


async def test_nothing_to_log_in_with(world: World) -> None:
    """Without a password a waiting caller could do no better than the renewal ahead did."""
    assert world.source()._setup.held_back(StoreUnavailable("down"))
    assert not world.source(None)._setup.held_back(StoreUnavailable("down"))
