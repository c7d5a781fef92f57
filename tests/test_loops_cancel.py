"""
Cancellation that does not stop, as in anyio's cancel scopes: every await of the cancelled task raises, until it ends.

Web frameworks that are built on anyio leave a request so, `aclose` and all (DESIGN, rules 3, 4, 14).
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from _pitfalls import DEVICES, PATIENCE, client_of, renewal_tasks, renewals_done
from _vendor import World
from vendorauth import FileTokenStore, RefreshPolicy, Token
from vendorauth.stores._threads import Threads
from vendorauth.testing import FakeProGlove


async def cancelled_for_good(work: Coroutine[Any, Any, Any], when: Callable[[], Awaitable[object]]) -> bool:
    """Run *work*; once *when* is over, cancel it at every turn of the loop until it ends. Tell whether it was cancelled."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def deliver() -> None:
        if not task.done():
            task.cancel()
            loop.call_soon(deliver)

    await when()
    deliver()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait({task})
    return task.cancelled()


def turns(count: int) -> Callable[[], Awaitable[None]]:
    """Wait for *count* turns of the loop."""

    async def wait() -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return wait


async def test_request_that_renews(tmp_path: Path) -> None:
    """Rules 3, 4: a request is left at any moment of a renewal; the renewal saves what it gets, and serves the next call."""
    store = FileTokenStore(tmp_path / "tokens", lock_timeout=2.0)
    often = RefreshPolicy(futile_pause=0.0)
    async with FakeProGlove(rotation=True) as fake, client_of(fake, store=store, policy=often) as client:
        await client.get(DEVICES)
        ends = set[bool]()
        for count in range(0, 60, 2):
            fake.expire_all()
            ends.add(await cancelled_for_good(client.get(DEVICES), turns(count)))
            await client.get(DEVICES)
            assert client.tokens.peek() == await store.load(client.tokens.flow.account)
        assert True in ends
        assert (1, 0) == (fake.count.logins, fake.count.reuse)


@pytest.mark.parametrize("operation", ["load", "save", "delete", "lock"])
async def test_store_itself(operation: str, tmp_path: Path) -> None:
    """Each operation of a file store ends, holds no lock, and leaves the old record or the new one, or none."""
    store = FileTokenStore(tmp_path / "tokens", lock_timeout=2.0)
    world = World(store=store)
    token = await world.source().token()

    async def hold() -> None:
        async with store.lock(account):
            await asyncio.sleep(0)

    account = "jane@vendor"
    work: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "load": lambda: store.load(account),
        "save": lambda: store.save(account, token),
        "delete": lambda: store.delete(account),
        "lock": hold,
    }
    for count in range(12):
        await cancelled_for_good(work[operation](), turns(count))
        assert await store.load(account) in ({token, None} if operation == "delete" else {token})
        await store.save(account, token)
        async with asyncio.timeout(1), store.lock(account):
            pass


async def test_job_in_a_thread() -> None:
    """Whoever is cancelled so, waits for the file work that has begun all the same: the lock that it relies on is held."""
    begun, go, ended = threading.Event(), threading.Event(), list[bool]()

    def job() -> None:
        begun.set()
        ended.append(go.wait(PATIENCE))

    asyncio.get_running_loop().call_later(0.02, go.set)
    assert await cancelled_for_good(Threads().run(job), lambda: asyncio.to_thread(begun.wait, PATIENCE))
    assert [True] == ended


async def test_leaving_a_client() -> None:
    """Rule 14: a client that is left so closes its connections all the same, and nothing warns of an open session."""
    async with FakeProGlove() as fake:
        for _ in range(5):
            with fake.hold("api") as hold:

                async def request(fake: FakeProGlove = fake) -> None:
                    async with client_of(fake) as client:
                        await client.get(DEVICES)

                assert await cancelled_for_good(request(), hold.arrived)
        async with asyncio.timeout(PATIENCE):
            while fake.connections or renewal_tasks():
                await asyncio.sleep(0.001)
        gc.collect()


async def test_leaving_a_client_during_a_renewal(tmp_path: Path) -> None:
    """Rules 4, 14: what a refresh under way brings is stored, then the connections are closed; entered again, it works."""
    store = FileTokenStore(tmp_path / "tokens")
    async with FakeProGlove(rotation=True) as fake:
        client = client_of(fake, store=store)
        await client.get(DEVICES)
        fake.expire_all()

        async def request() -> None:
            async with client:
                await client.get(DEVICES)

        with fake.hold("refresh") as hold:
            assert await cancelled_for_good(request(), hold.arrived)
            entering = asyncio.ensure_future(client.__aenter__())
            await turns(20)()
            assert not entering.done()
        await entering
        await client.get(DEVICES)
        await client.aclose()
        await renewals_done()
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_closing_that_is_left_and_called_again(tmp_path: Path) -> None:
    """Rule 14: aclose() that is left goes on; whoever calls it again, however many, waits for the same end."""
    store = FileTokenStore(tmp_path / "tokens")
    async with FakeProGlove(rotation=True) as fake:
        client = client_of(fake, store=store)
        await client.get(DEVICES)
        fake.expire_all()
        with fake.hold("refresh") as hold:
            call = asyncio.ensure_future(client.get(DEVICES))
            await hold.arrived()
            assert await cancelled_for_good(client.aclose(), turns(3))
            again = [asyncio.ensure_future(client.aclose()) for _ in range(3)]
            await turns(20)()
            assert not any(one.done() for one in again)
        await asyncio.gather(*again)
        await asyncio.gather(call, return_exceptions=True)
        stored: Token | None = await store.load(client.tokens.flow.account)
        async with client:
            assert stored == await client.tokens.token()
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


def test_closing_in_a_later_loop() -> None:
    """Rules 14, 15: a closing that ended with its loop is begun anew in a later one."""
    fake = FakeProGlove()

    async def leave(client: Any) -> None:
        await client.get(DEVICES)
        fake.expire_all()
        hold = fake.hold("refresh")
        calls = [asyncio.ensure_future(client.get(DEVICES))]
        await hold.arrived()
        calls.append(asyncio.ensure_future(client.aclose()))
        await turns(5)()

    async def first() -> Any:
        async with fake:
            client = client_of(fake)
            await leave(client)
            return client

    async def later(client: Any) -> None:
        await client.aclose()
        async with fake, client:
            await client.get(DEVICES)

    client = asyncio.run(first())
    assert client._sessions._session is None
    asyncio.run(later(client))
    gc.collect()
    assert fake.count.logins <= 2


def test_closing_that_a_dead_loop_left_behind() -> None:
    """Rule 15: nobody waits for a closing that began in a loop which was closed before its end."""
    loop = asyncio.new_event_loop()

    async def later() -> None:
        async with FakeProGlove() as fake:
            client: Any = client_of(fake)
            client._closing = loop.create_future()
            async with asyncio.timeout(5), client:
                await client.get(DEVICES)

    loop.close()
    asyncio.run(later())
