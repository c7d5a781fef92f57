"""A fleet's clients with one Redis: a lost lease, a Redis that dies and comes back (rules 4, 5 and 16)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from _valkey import NEVER, Proxy, Valkey, client_of, until
from vendorauth import (
    PasswordCredentials,
    ProGloveClient,
    RefreshPolicy,
    StoreLockTimeout,
    StoreTrouble,
    StoreUnavailable,
    TokenEvent,
    VendorAuthError,
)
from vendorauth.stores.redis import RedisTokenStore
from vendorauth.testing import FakeProGlove

POLICY = RefreshPolicy(leeway=0.1, backoff=(0.05, 0.3))
LIFE = 1.5


@asynccontextmanager
async def host(
    fake: FakeProGlove, port: int, events: list[TokenEvent] | None = None, lease: float = 10.0
) -> AsyncGenerator[ProGloveClient]:
    """Be one host of a fleet: a client with a connection and a store of its own."""
    async with (
        client_of(port, retry=NEVER) as connection,
        ProGloveClient(
            fake.base_url,
            fake.customer_id,
            PasswordCredentials(fake.username, fake.password),
            cognito_url=fake.cognito_url,
            store=RedisTokenStore(connection, lease=lease),
            policy=POLICY,
            on_event=None if events is None else events.append,
        ) as client,
    ):
        yield client


def generation_of(client: ProGloveClient) -> int:
    """Give the generation of the token that *client* holds."""
    token = client.tokens.peek()
    return -1 if token is None else token.generation


@pytest.mark.parametrize("rotation", [False, True])
async def test_a_lease_lost_during_the_refresh(rotation: bool) -> None:
    """Rule 4: who lost its lease while the vendor answered, and finds a newer token, takes that over and goes on."""
    with Valkey() as server:
        async with (
            FakeProGlove(rotation=rotation) as fake,
            client_of(server.port) as admin,
            host(fake, server.port, lease=0.3) as late,
            host(fake, server.port, lease=0.3) as quick,
        ):
            old = await late.tokens.token()
            assert old == await quick.tokens.token()
            with fake.hold("refresh", limit=1) as hold:
                renewing = asyncio.create_task(late.tokens.renew(old))
                await hold.arrived()
                await asyncio.sleep(1.0)  # three leases: it is extended all the while
                lock = [key async for key in admin.scan_iter("*:lock")]
                assert 1 == len(lock)
                await admin.delete(*lock)  # as a lease ends of which the holder stood still
                newer = await quick.tokens.renew(old)
            outcome = await renewing
            assert old.generation < newer.generation == outcome.generation == generation_of(late)
            assert newer.value == outcome.value
            await late.get("/{customer_id}/devices")
            await quick.get("/{customer_id}/devices")
            # A vendor that rotates saw the first refresh token twice, and ended that login: no call hears of it.
            assert (1 + rotation, rotation, 0) == (fake.count.logins, fake.count.reuse, fake.count.refused)


async def test_a_dead_host_costs_one_lease() -> None:
    """Rule 4: a host that dies while it renews keeps the others waiting for one lease, and its tokens are not missed."""
    with Valkey() as server:
        async with FakeProGlove() as fake, Proxy(server.port) as proxy, host(fake, server.port) as other:
            async with host(fake, proxy.port, lease=0.5) as dying:
                old = await dying.tokens.token()
                await other.tokens.token()
                with fake.hold("refresh", limit=1) as hold:
                    renewing = asyncio.create_task(dying.tokens.renew(old))
                    await hold.arrived()
                    proxy.swallows = True  # as far as Redis can tell, it is dead
                    loop = asyncio.get_running_loop()
                    begun = loop.time()
                    newer = await other.tokens.renew(old)
                    assert loop.time() - begun < 0.5 + 0.6
                    proxy.swallows = False
                assert newer.value == (await renewing).value
                await dying.get("/{customer_id}/devices")
                assert not dying.tokens.status().unsaved
            assert newer.generation > old.generation
            assert 1 == fake.count.logins


async def test_held_and_down_are_different() -> None:
    """Pitfall 28: a lock held by another is a StoreLockTimeout; a Redis that is down costs no call anything (rule 16)."""
    with Valkey() as server:
        events = list[TokenEvent]()
        async with FakeProGlove() as fake, client_of(server.port) as admin:
            async with host(fake, server.port, events) as client:
                old = await client.tokens.token()
                store = RedisTokenStore(admin)
                client.tokens._setup.vault.store._lock_timeout = 0.2  # type: ignore[attr-defined]  # a Redis store's
                async with store.lock(client.tokens.flow.account):
                    with pytest.raises(StoreLockTimeout):
                        await client.tokens.renew(old)
                assert 0 == fake.count.refreshes
                await asyncio.to_thread(server.kill)
                await until(lambda: client.tokens.status().retry_in is None, "it pauses")
                assert old.generation < (await client.tokens.renew(old)).generation
            told = {type(event.error) for event in events if isinstance(event, StoreTrouble)}
            assert {StoreLockTimeout, StoreUnavailable} == told


class Load:
    """Call the API with every client all the time, and count."""

    def __init__(self, clients: list[ProGloveClient]) -> None:
        self.done = [0] * len(clients)
        self.failed = list[VendorAuthError]()
        self._over = asyncio.Event()
        self._clients = clients

    async def run(self) -> None:
        """Call until it is over."""
        await asyncio.gather(*(self._call(n, client) for n, client in enumerate(self._clients)))

    async def _call(self, n: int, client: ProGloveClient) -> None:
        while not self._over.is_set():
            try:
                await client.get("/{customer_id}/devices")
            except VendorAuthError as error:
                self.failed.append(error)
            self.done[n] += 1
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        """Let the calls end."""
        self._over.set()


async def test_redis_is_killed_and_comes_back() -> None:
    """Rule 16: killed under load, no call fails, renewals go on; back and empty, one token is saved and shared by all."""
    with Valkey() as server:
        async with FakeProGlove(token_life=LIFE, rotation=True) as fake, AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(host(fake, server.port)) for _ in range(3)]
            load = Load(clients)
            running = asyncio.create_task(load.run())
            await until(lambda: min(load.done) > 5, "nobody calls")
            assert 1 == len({generation_of(client) for client in clients})
            assert 1 == fake.count.logins
            before = generation_of(clients[0])
            await until(lambda: min(map(generation_of, clients)) > before, "nobody renews")
            before = max(map(generation_of, clients))
            await asyncio.to_thread(server.kill)
            await until(lambda: min(map(generation_of, clients)) > before, "nobody renews without Redis")
            await asyncio.to_thread(server.start)

            async with client_of(server.port) as connection:
                store, account = RedisTokenStore(connection), clients[0].tokens.flow.account

                async def all_share() -> bool:
                    stored = await store.load(account)
                    held = {generation_of(client) for client in clients}
                    return stored is not None and {stored.generation} == held

                await until(all_share, "they do not share one token")
            load.stop()
            await running
    assert [] == load.failed
    assert 0 == fake.count.reuse
