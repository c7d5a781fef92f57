"""Processes that share one login through one store: short versions of what ``benchmarks/fleet.py`` measures."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
import redis.asyncio
from filelock import Timeout, lock_descriptor

from _fleet import PATH, Fleet, fleet, insist, opened
from _valkey import port
from vendorauth.stores import _files
from vendorauth.stores._files import RecordFile
from vendorauth.stores.redis import RedisTokenStore

__all__ = ["port"]

MakeFleet: TypeAlias = Callable[..., AbstractAsyncContextManager[Fleet]]

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")


@pytest.fixture(params=["file", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeFleet:
    """Make a fleet over files, or over Valkey."""
    store = str(tmp_path / "store") if request.param == "file" else str(request.getfixturevalue("port"))
    return partial(fleet, store, tmp_path)


async def test_one_login_for_all(make: MakeFleet) -> None:
    """Four processes live through tokens of a second with one login; no refresh token is spent twice (rule 5, pitfall 27)."""
    async with make() as made:
        for _ in range(4):
            made.begin()
        await made.until(lambda: made.vendor.count.api > 0)
        await asyncio.sleep(2.4)  # two lives and a half, in which the four may renew thrice
        await made.stop()
        assert [] == made.notes("failed")
        assert 4 == len(made.notes("succeeded"))
        assert 2 <= made.vendor.count.refreshes <= 4
        assert 1 == made.vendor.count.logins
        assert 0 == made.vendor.count.reuse


async def test_killed_at_random(make: MakeFleet) -> None:
    """Processes that are killed at whatever moment cost the others no request (rule 4, pitfall 31)."""
    chance = random.Random(7)
    async with make(lease=0.3) as made:
        made.vendor.delays["refresh"] = 0.1
        survivor = made.begin()
        made.begin()
        for turn in range(1, 9):
            await made.until(lambda: made.vendor.count.api > 4 * turn)  # noqa: B023  waited for here
            await made.kill(chance.choice([one for one in made.workers if one is not survivor]))
            made.begin()
        await made.stop()
        assert [] == made.notes("failed")
        assert 2 == len(made.notes("succeeded"))
        assert made.vendor.count.logins <= 1 + made.vendor.count.reuse


async def test_killed_in_its_renewal(make: MakeFleet) -> None:
    """A rotation that dies with its process costs one login, and nobody a request (rule 8, pitfall 23)."""
    async with make(lease=0.3) as made:
        doomed = made.begin()
        await made.until(lambda: made.vendor.count.api > 0)
        with made.vendor.hold("refresh", limit=1, processed=True) as hold:
            made.vendor.expire_all()
            await hold.arrived()
            made.begin()
            made.begin()
            await made.kill(doomed)
            await made.until(lambda: made.vendor.count.logins == 2)
        await made.stop()
        assert [] == made.notes("failed")
        assert 1 == made.vendor.count.reuse
        assert 2 == made.vendor.count.logins


@pytest.mark.parametrize("make", ["redis"], indirect=True)
async def test_frozen_in_its_renewal(make: MakeFleet) -> None:
    """A holder that stood still for longer than its lease leaves the newer token alone, and goes on with it (rule 5)."""
    async with make(lease=0.2) as made, opened(made.scene) as (store, here):
        made.vendor.token_life = 3600.0
        await here.get(PATH)
        made.vendor.expire_all()
        with made.vendor.hold("refresh", limit=1, processed=True) as hold:
            frozen = made.begin()
            await hold.arrived()
            os.kill(frozen.pid or 0, signal.SIGSTOP)
            await here.get(PATH)
            newer = await store.load(here.tokens.flow.account)
        os.kill(frozen.pid or 0, signal.SIGCONT)
        await made.stop()
        assert newer is not None
        assert newer == here.tokens.peek()
        assert newer == await store.load(here.tokens.flow.account)
        assert [] == made.notes("failed")
        assert 2 == made.vendor.count.logins


async def test_a_wrong_password(make: MakeFleet) -> None:
    """Processes that start at once, and others after them, send a wrong password at most twice (rule 10, pitfall 45)."""
    async with make(password="wr0ng") as made:
        for together in (3, 2):
            for _ in range(together):
                made.begin(insist)
            await made.stop(told=False)
        assert [True] * 5 == made.notes("refused")
        assert 1 <= made.vendor.count.password_attempts <= 2


async def test_a_release_that_meets_an_extension(port: int) -> None:
    """A lock is given back at whatever moment: redis-py may lose the cancellation of who extends it (pitfall 12)."""
    async with redis.asyncio.Redis(port=port) as client:
        store = RedisTokenStore(client, lease=0.03)
        for turn in range(40):
            async with asyncio.timeout(5), store.lock("account"):
                await asyncio.sleep(0.0095 + turn % 20 / 5000)  # the first extension is due after a third of the lease


def test_a_lock_file_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who locks a file that has been removed since it was opened locks nothing, and tries again."""
    file = RecordFile(tmp_path / "store", "name")
    file.prepare()

    def removed(descriptor: int, *, blocking: bool) -> bool:
        file.save_lock.unlink()
        return lock_descriptor(descriptor, blocking=blocking)

    monkeypatch.setattr(_files, "lock_descriptor", removed)
    with pytest.raises(Timeout):
        file.exclusively(lambda: None)
    monkeypatch.undo()
    assert 5 == file.exclusively(lambda: 5)
