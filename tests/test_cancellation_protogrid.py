"""Cancelling at every await, with a session cookie that rolls: nothing is lost, no lock held, no task left (rules 3, 14, 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from _cancel import Interrupt, at_each_suspension, end_while_held
from vendorauth import FileTokenStore, PasswordCredentials, ProtogridClient
from vendorauth.testing import FakeProtogrid

APPS = "/api/v2/apps"


class World:
    """A vendor whose cookie rolls with each answer, a client, and its files."""

    def __init__(self, fake: FakeProtogrid, directory: Path) -> None:
        self.fake = fake
        self.directory = directory
        self.start()

    def start(self) -> None:
        """Start as a new process would, with nothing but the files."""
        self.store = FileTokenStore(self.directory, lock_timeout=2.0)
        credentials = PasswordCredentials(self.fake.username, self.fake.password)
        self.client = ProtogridClient(self.fake.base_url, credentials, store=self.store)

    async def check(self, *, logins: int) -> None:
        """Assert that it works here and after a restart, with so many *logins* at most, and that nothing stays behind."""
        async with asyncio.timeout(5):
            await self.client.get(APPS)
            await self.client.aclose()
        held, account = await self.store.load(self.client.tokens.flow.account), self.client.tokens.flow.account
        assert held is not None
        assert held.value in self.fake.issued
        async with asyncio.timeout(1), self.store.lock(account):
            pass
        self.start()
        async with asyncio.timeout(5), self.client:
            assert held == await self.client.tokens.token()
            await self.client.get(APPS)
        assert logins >= self.fake.count.logins
        assert 0 == self.fake.count.passwords_refused
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth")]


async def scenes(
    tmp_path: Path, act: Callable[[World, Interrupt], Awaitable[None]], *, logins: int, begun: bool = True
) -> int:
    """Play *act* in a new world for each suspension, after a first call if it has *begun*; give how many there were."""
    count = 0

    async def scenario(interrupt: Interrupt) -> None:
        nonlocal count
        count += 1
        async with FakeProtogrid() as fake:
            fake.rolling = True
            world = World(fake, tmp_path / str(count))
            if begun:
                await world.client.get(APPS)
            await act(world, interrupt)
            await world.check(logins=logins)

    return await at_each_suspension(scenario)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("begun", [False, True])
async def test_request_that_logs_in(tmp_path: Path, begun: bool) -> None:
    """Rules 2, 3, 10: a request is cancelled at each of its awaits; its login goes on, and the password is not sent again."""

    async def act(world: World, interrupt: Interrupt) -> None:
        world.fake.expire_all()
        await interrupt(world.client.get(APPS))

    assert 2 <= await scenes(tmp_path, act, logins=1 + begun, begun=begun)


@pytest.mark.timeout(120)
async def test_closing_with_a_cookie_that_rolled(tmp_path: Path) -> None:
    """Rules 14, 17: aclose() is cancelled at each of its awaits while it has a cookie to save; no login is needed after it."""

    async def act(world: World, interrupt: Interrupt) -> None:
        world.fake.old_cookie_lives = False
        await world.client.get(APPS)
        await interrupt(world.client.aclose())
        await world.client.aclose()
        await world.client.__aenter__()

    assert 0 < await scenes(tmp_path, act, logins=1)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("ending", ["aclose", "logout"])
async def test_ending_while_a_login_is_under_way(tmp_path: Path, ending: str) -> None:
    """Rule 14: aclose() and logout() are cancelled at each of their awaits while a login is under way."""

    async def act(world: World, interrupt: Interrupt) -> None:
        world.fake.expire_all()
        await end_while_held(world.client, ending, APPS, world.fake.hold("login"), interrupt)

    assert 0 < await scenes(tmp_path, act, logins=2 if ending == "aclose" else 3)
