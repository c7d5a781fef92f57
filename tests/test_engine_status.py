"""What a source says of itself, as a health check may show it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from _keeping import SOON, Store
from _vendor import JANE, World, settle
from vendorauth import AuthServiceUnavailable, ReauthenticationRequired, Response, SourceStatus
from vendorauth.engine.account import Account
from vendorauth.engine.status import status_of

AGEING = 3300.0
DEAD = 3601.0
FAILING = Response(503, {"Retry-After": "30"}, b"")


@pytest.fixture
def world() -> World:
    return World()


def ahead_of(status: SourceStatus) -> float:
    """Give the seconds between the renewal that is due and the token's end."""
    assert status.renewal_from is not None
    assert status.expires_at is not None
    return (status.expires_at - status.renewal_from).total_seconds()


async def test_a_life_without_trouble_is_ok(world: World) -> None:
    """Before the first call, while it is fresh, ageing and dead: nothing is wrong, and the next call will renew it."""
    source = world.source()
    seen = [source.status().health]
    await source.token()
    for seconds in (0.0, AGEING, DEAD - AGEING):
        world.clock.advance(seconds)
        seen.append(source.status().health)
    assert ["ok"] * 4 == seen


async def test_what_json_gets(world: World) -> None:
    """Everything but the account's name, which may be a person's; and no secret."""
    source = world.source()
    token = await source.token()
    text = json.dumps(source.status().to_json())
    shown = json.loads(text)
    assert {"health": "ok", "state": "fresh", "generation": token.generation, "failures": 0, "unsaved": False} == {
        name: shown.pop(name) for name in ("health", "state", "generation", "failures", "unsaved")
    }
    assert token.issued_at == datetime.fromisoformat(shown.pop("issued_at"))
    assert token.expires_at == datetime.fromisoformat(shown.pop("expires_at"))
    assert source.status().renewal_from == datetime.fromisoformat(shown.pop("renewal_from"))
    assert {"error": None, "retry_in": None, "renewing": False, "age": 0.0, "waiting": 0} == shown
    assert not any(secret in text for secret in ("jane", token.value, token.refresh_token or "", JANE.password))


async def test_when_the_next_renewal_is(world: World) -> None:
    """Rule 7: in the first half of the last fifth; without a refresh token, when callers have to wait for a login."""
    source = world.source()
    assert source.status().renewal_from is None
    await source.token()
    assert 360.0 <= ahead_of(source.status()) <= 720.0
    world.vendor.gives_refresh_token = False
    await source.login()
    assert 60.0 == ahead_of(source.status())
    world.vendor.life = None
    await source.login()
    assert source.status().renewal_from is None


async def test_a_renewal_that_failed_ahead(world: World) -> None:
    """Rules 7, 9: the old token serves, and that is not all there is to say; the next try is after the pause."""
    source = world.source()
    await source.token()
    world.clock.advance(AGEING)
    world.vendor.script["refresh"].append(FAILING)
    await source.token()
    await settle()
    status = source.status()
    assert ("degraded", "ageing", 1) == (status.health, status.state, status.failures)
    assert world.clock.now() + timedelta(seconds=30) == status.renewal_from
    world.clock.advance(31.0)
    assert "degraded" == source.status().health  # until one succeeds
    await source.token()
    await settle()
    assert "ok" == source.status().health


async def test_a_login_that_fails(world: World) -> None:
    """Rule 9: without a token calls fail, in the pauses and after them, until one succeeds."""
    world.vendor.script["login"].append(FAILING)
    source = world.source()
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    assert ("down", "AuthServiceUnavailable") == (source.status().health, source.status().error)
    world.clock.advance(31.0)
    assert ("down", None) == (source.status().health, source.status().error)
    await source.token()
    assert "ok" == source.status().health


async def test_nothing_to_log_in_with(world: World) -> None:
    """Rule 9b: somebody has to log in, and a health check says so."""
    source = world.source(None)
    with pytest.raises(ReauthenticationRequired):
        await source.token()
    assert ("down", "ReauthenticationRequired") == (source.status().health, source.status().error)


async def test_a_refresh_token_that_died_ahead(world: World) -> None:
    """Rule 7: what the renewal ahead of expiry was refused waits for the token's end, not for a pause."""
    source = world.source()
    await source.token()
    world.clock.advance(AGEING)
    world.vendor.refresh_tokens.clear()
    await source.token()
    await settle()
    assert 60.0 == ahead_of(source.status())


async def test_a_token_that_could_not_be_saved() -> None:
    """Rule 16: a token that only this process has serves, and a restart would lose it."""
    world = World(store=Store())
    world.store.failing.add("save")
    source = world.source(policy=SOON)
    await source.token()
    assert "degraded" == source.status().health
    world.store.failing.clear()
    await source.aclose()


class Changing:
    """Be an account whose *name* is there the first *reads* times that somebody looks, and gone then."""

    def __init__(self, account: Account, name: str, reads: int) -> None:
        self._account = account
        self._name = name
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        if name != self._name:
            return getattr(self._account, name)
        self._reads -= 1
        return getattr(self._account, name) if self._reads >= 0 else None


@pytest.mark.parametrize("name", ["token", "failure"])
async def test_a_thread_may_ask(name: str, world: World) -> None:
    """An exporter's thread asks while the loop changes the account: what is gone at the second look hurts nothing."""
    source = world.source()
    await source.token()
    world.vendor.script["refresh"].append(FAILING)
    world.clock.advance(AGEING)
    await source.token()
    await settle()
    account, now = source._account, source._setup.moment()
    assert status_of("jane", account, now).failures
    for reads in range(8):
        changing: Any = Changing(account, name, reads)
        assert "jane" == status_of("jane", changing, now).account
