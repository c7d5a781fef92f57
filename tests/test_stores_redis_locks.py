"""The lock in Redis: a lease with its owner's random value (rule 4; pitfalls 27 and 28)."""

from __future__ import annotations

import asyncio
from itertools import pairwise, product
from typing import Any

import pytest
import redis.asyncio

from _valkey import JANE, KEY, NEVER, ONCE_MORE, Proxy, Spy, Valkey, client, client_of, not_shown, port, token_of, until
from vendorauth.errors import StoreConflict, StoreLockTimeout, StoreUnavailable
from vendorauth.stores import redis as store_module
from vendorauth.stores.redis import RedisTokenStore

__all__ = ["client", "port"]

LOCK = f"{KEY}:lock"
LEASE = 0.3


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine take its time to give a lock back."""
    monkeypatch.setattr(store_module, "_PATIENCE", 10.0)
    monkeypatch.setattr(store_module, "_GIVING_UP", 5.0)


def takes(spy: Spy) -> list[tuple[str, ...]]:
    """List the tries for a lock."""
    return [command for command in spy.sent if command[0] == "EVAL" and "'SET'" in command[1]]


async def test_a_lease_with_the_owners_value(client: redis.asyncio.Redis) -> None:
    """The lock is a key with a value of 32 random digits, another each time, for one lease; leaving deletes it."""
    store, values = RedisTokenStore(client), set[Any]()
    for _ in range(3):
        async with store.lock(JANE):
            values.add(await client.get(LOCK))
            assert 9000 < await client.pttl(LOCK) <= 10000
        assert 0 == await client.exists(LOCK)
    assert (3, {32}) == (len(values), {len(value) for value in values})


async def test_only_the_owner_releases(client: redis.asyncio.Redis) -> None:
    """A holder that lost its lease leaves the next one's lock alone (pitfall 28)."""
    store = RedisTokenStore(client)
    async with store.lock(JANE):
        await client.set(LOCK, "another's", px=60000)
    assert b"another's" == await client.get(LOCK)


async def test_only_the_owner_extends(port: int, client: redis.asyncio.Redis) -> None:
    """A holder that lost its lease does not extend the next one's, and stops trying."""
    async with Spy(port=port) as spy, RedisTokenStore(spy, lease=LEASE).lock(JANE):
        await client.set(LOCK, "another's", px=60000)
        before = len(spy.sent)
        await until(lambda: len(spy.sent) > before, "it has not tried")
        await asyncio.sleep(LEASE)  # nothing more is to come, and only time shows it
        assert before + 1 == len(spy.sent)
        assert 50000 < await client.pttl(LOCK) <= 60000
    await client.delete(LOCK)


async def test_it_is_extended_while_it_is_held(port: int, client: redis.asyncio.Redis) -> None:
    """A holder keeps the lock for three leases and more, extending it every third of one; nobody gets in meanwhile."""
    loop = asyncio.get_running_loop()
    other = RedisTokenStore(client, lock_timeout=3 * LEASE)
    async with Spy(port=port) as spy, RedisTokenStore(spy, lease=LEASE).lock(JANE):
        begun = loop.time()
        with pytest.raises(StoreLockTimeout):
            async with other.lock(JANE):
                pytest.fail("two are inside")
        held = loop.time() - begun
        assert held >= 3 * LEASE
        extensions = sum("PEXPIRE" in command[1] for command in spy.sent)
        assert held / LEASE * 3 - 4 <= extensions <= held / LEASE * 3 + 1


async def test_a_dead_holder_costs_one_lease(client: redis.asyncio.Redis) -> None:
    """What a holder that died has left is free after one lease, not before, whatever the next one's lease is."""
    loop = asyncio.get_running_loop()
    await client.set(LOCK, "a dead one's", px=int(LEASE * 1000))
    begun = loop.time()
    async with RedisTokenStore(client).lock(JANE):
        assert LEASE - 0.05 <= loop.time() - begun < LEASE + 0.6  # the longest pause between two tries, and some more


async def test_a_lease_that_ended_meanwhile(client: redis.asyncio.Redis) -> None:
    """A holder that stood still for longer than its lease finds the newer token: StoreConflict, and it stays."""
    late, quick = RedisTokenStore(client), RedisTokenStore(client)
    async with late.lock(JANE):
        await client.delete(LOCK)  # as its end does
        async with quick.lock(JANE):
            await quick.save(JANE, token_of(2, "the newer"))
            with pytest.raises(StoreConflict):
                await late.save(JANE, token_of(1, "the older"))
            assert "the newer" == (await late.load(JANE) or token_of()).value
        # Of the same age it would have been saved: a lost lease alone is no reason.
        await late.save(JANE, token_of(2, "the same"))


async def test_a_take_whose_answer_was_lost(port: int, client: redis.asyncio.Redis) -> None:
    """A try that Redis granted, and whose answer was lost, is repeated by redis-py and finds its own lock."""
    loop = asyncio.get_running_loop()
    async with Proxy(port) as proxy, client_of(proxy.port, retry=ONCE_MORE) as lossy:
        proxy.loses = b"EVAL"
        begun = loop.time()
        async with RedisTokenStore(lossy).lock(JANE):
            assert loop.time() - begun < 2
            assert (b"", 2) == (proxy.loses, proxy.connections)
            assert 1 == await client.exists(LOCK)
    assert 0 == await client.exists(LOCK)


async def test_a_take_that_ends_badly_is_given_back(port: int, client: redis.asyncio.Redis) -> None:
    """Without retries the lost answer is StoreUnavailable, and what Redis had granted is given back at once."""
    async with Proxy(port) as proxy, client_of(proxy.port, retry=NEVER) as lossy:
        proxy.loses = b"EVAL"
        with pytest.raises(StoreUnavailable) as caught:
            async with RedisTokenStore(lossy).lock(JANE):
                pytest.fail("it does not know that it is inside")
        not_shown(caught.value)
        assert b"" == proxy.loses
    assert 0 == await client.exists(LOCK)


async def test_held_by_another_is_not_down(port: int, client: redis.asyncio.Redis) -> None:
    """Held by another: tries with growing, jittered pauses until lock_timeout, then StoreLockTimeout (pitfall 28)."""
    await client.set(LOCK, "another's", px=60000)
    loop, times = asyncio.get_running_loop(), list[float]()
    async with Spy(port=port) as spy:
        spy.at_each = lambda: times.append(loop.time())
        with pytest.raises(StoreLockTimeout, match=rf"^{LOCK} was held by somebody else for 1\.5 seconds$") as caught:
            async with RedisTokenStore(spy, lock_timeout=1.5).lock(JANE):
                pytest.fail("two are inside")
        not_shown(caught.value)
        tries = len(takes(spy))
        assert tries == len(spy.sent)  # nothing was taken, so nothing is released
    assert 1.4 < times[-1] - times[0] < 2.0
    assert 7 <= tries <= 18
    gaps = [after - before for before, after in pairwise(times)]
    assert sum(gaps[:3]) < sum(gaps[3:6])
    assert max(gaps) < 0.6
    assert b"another's" == await client.get(LOCK)


async def test_no_patience(port: int, client: redis.asyncio.Redis) -> None:
    """A lock_timeout of 0 is one try: it takes a lock that is free, and waits for none."""
    async with Spy(port=port) as spy:
        store = RedisTokenStore(spy, lock_timeout=0)
        async with store.lock(JANE):
            with pytest.raises(StoreLockTimeout, match=r"for 0 seconds$"):
                async with store.lock(JANE):
                    pytest.fail("two are inside")
        assert 2 == len(takes(spy))
    assert 0 == await client.exists(LOCK)


@pytest.mark.usefixtures("patient")
async def test_a_cancelled_wait_takes_nothing(port: int, client: redis.asyncio.Redis) -> None:
    """Cancelled before, during and after each of its tries, a waiter leaves nothing behind; 60 times."""
    async with client_of(port) as another:
        holder, waiter = RedisTokenStore(client), RedisTokenStore(another)

        async def enter() -> None:
            async with waiter.lock(JANE):
                await asyncio.sleep(0)

        for turns in range(60):
            waiting = asyncio.create_task(enter())
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            await until(lambda: not waiter._leaving, "it is leaving still")
            assert 0 == await client.exists(LOCK), turns
        async with holder.lock(JANE):
            waiting = asyncio.create_task(enter())
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
            assert 1 == await client.exists(LOCK)


@pytest.mark.usefixtures("patient")
async def test_a_wait_that_is_cancelled_twice_takes_nothing(port: int, client: redis.asyncio.Redis) -> None:
    """Cancelled once more while it gives back what it may have taken, a waiter gives it back all the same."""
    async with client_of(port) as another:
        waiter = RedisTokenStore(another)
        await waiter.load(JANE)  # which connects
        for turns, more in product(range(4, 11), range(1, 11, 3)):
            waiting = asyncio.ensure_future(waiter.lock(JANE).__aenter__())
            for rest in (turns, more):
                for _ in range(rest):
                    await asyncio.sleep(0)
                waiting.cancel()
            await asyncio.wait({waiting})
            await until(lambda: not waiter._leaving, "it is leaving still")
            assert 0 == await client.exists(LOCK), (turns, more)


async def test_a_cancelled_wait_on_a_server_that_hangs(port: int) -> None:
    """Cancelling is not held up by a server that does not answer what it was sent: half a second at most."""
    loop = asyncio.get_running_loop()
    async with Proxy(port) as proxy, client_of(proxy.port) as client:
        proxy.swallows = True
        entering = asyncio.create_task(RedisTokenStore(client).lock(JANE).__aenter__())
        await until(lambda: proxy.swallowed > 0, "it has sent nothing")
        begun = loop.time()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        assert loop.time() - begun < 1


async def test_a_cancelled_release_releases(port: int, client: redis.asyncio.Redis) -> None:
    """Who is cancelled while leaving has left all the same, a moment later: nobody waits for the lease."""
    for turns in range(12):
        left = asyncio.Event()
        async with client_of(port) as own:
            store = RedisTokenStore(own)

            async def hold(store: RedisTokenStore, left: asyncio.Event) -> None:
                async with store.lock(JANE):
                    left.set()

            holding = asyncio.create_task(hold(store, left))
            await left.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            holding.cancel()
            await asyncio.wait({holding})
            await until(lambda store=store: not store._leaving, "it is leaving still")  # type: ignore[misc]  # a default
        assert 0 == await client.exists(LOCK)


async def test_redis_dies_and_comes_back_under_a_holder() -> None:
    """A holder outlives a Redis that stands still, or dies, for a moment: no error, and its work goes on."""
    with Valkey() as server:
        async with client_of(server.port, retry=NEVER) as client:
            store = RedisTokenStore(client, lease=LEASE)
            async with store.lock(JANE):
                await store.save(JANE, token_of())
                with server.frozen():
                    await asyncio.sleep(LEASE / 2)
                await asyncio.sleep(LEASE)
                assert 1 == await client.exists(LOCK)
                await asyncio.to_thread(server.kill)
                with pytest.raises(StoreUnavailable):
                    await store.load(JANE)
                await asyncio.to_thread(server.start)
                await store.save(JANE, token_of())
            assert token_of().value == (await store.load(JANE) or token_of(value="none")).value
