from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from vendorauth.errors import StoreConflict
from vendorauth.stores import MemoryTokenStore, TokenStore
from vendorauth.tokens import Token

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def token(generation: int) -> Token:
    return Token(value=f"s3cret-{generation}", issued_at=NOW, generation=generation)


def in_thread(work: Coroutine[Any, Any, None]) -> threading.Thread:
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    return thread


async def test_it_keeps_tokens_by_account() -> None:
    """What is saved is loaded again, account by account, until it is deleted; deleting twice is no error."""
    store: TokenStore = MemoryTokenStore()
    assert await store.load("a") is None
    await store.save("a", token(1))
    await store.save("b", token(2))
    assert (token(1), token(2)) == (await store.load("a"), await store.load("b"))
    await store.delete("a")
    await store.delete("a")
    assert (None, token(2)) == (await store.load("a"), await store.load("b"))


async def test_a_newer_token_stays() -> None:
    """Only a higher stored generation is a conflict; its text holds no token."""
    store = MemoryTokenStore()
    await store.save("a", token(5))
    await store.save("a", token(5))
    with pytest.raises(StoreConflict, match=r"^generation 5 is stored, which is newer than 4$"):
        await store.save("a", token(4))
    assert token(5) == await store.load("a")


async def test_the_lock_is_exclusive_and_in_order() -> None:
    """One task at a time is inside, in the order of coming; nothing is kept afterwards."""
    store, order, inside = MemoryTokenStore(), list[int](), list[int]()

    async def enter(number: int) -> None:
        async with store.lock("a"):
            inside.append(number)
            await asyncio.sleep(0)
            order.append(number)
            assert [number] == inside
            inside.remove(number)

    await asyncio.gather(*(enter(number) for number in range(20)))
    assert list(range(20)) == order
    assert ({}, {}) == (store._turns, store._holders)


async def test_accounts_do_not_wait_for_each_other() -> None:
    """The lock of one account leaves the others free."""
    store = MemoryTokenStore()
    async with store.lock("a"), store.lock("b"):
        assert ["a", "b"] == sorted(store._holders)


async def test_a_cancelled_wait_takes_nothing() -> None:
    """Cancelling who waits leaves the lock with its holder, and then free."""
    store, reached = MemoryTokenStore(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        async with store.lock("a"):
            pytest.fail("two are inside")

    async with store.lock("a"):
        waiting = asyncio.create_task(wait())
        await reached.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(5), store.lock("a"):
        pass
    assert {} == store._turns


async def test_an_error_inside_frees_the_lock() -> None:
    """What is raised inside goes on, and the lock is free again."""
    store = MemoryTokenStore()
    with pytest.raises(KeyError):
        async with store.lock("a"):
            raise KeyError
    async with asyncio.timeout(5), store.lock("a"):
        pass


def test_a_later_loop_can_use_it() -> None:
    """A lock that was contended on one loop works on the next one (pitfall 13)."""
    store = MemoryTokenStore()

    async def contend() -> list[int]:
        async def enter() -> int:
            async with store.lock("a"):
                await asyncio.sleep(0)
                return 1

        return list(await asyncio.gather(enter(), enter(), enter()))

    assert [1, 1, 1] == asyncio.run(contend())
    assert [1, 1, 1] == asyncio.run(contend())


def abandon_the_lock(store: MemoryTokenStore) -> Coroutine[Any, Any, None]:
    """Close a loop while one of its tasks is inside; give that task's coroutine, not yet collected."""

    async def enter() -> None:
        async with store.lock("a"):
            await asyncio.Event().wait()

    entered = enter()
    loop = asyncio.new_event_loop()
    loop.call_soon(entered.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    return entered


def test_a_lock_that_a_dead_loop_held_is_free() -> None:
    """A loop that was closed in the middle poisons nothing (pitfall 14), and is forgotten."""
    store = MemoryTokenStore()
    entered = abandon_the_lock(store)
    assert (1, 1) == (len(store._turns), len(store._holders))

    async def enter() -> None:
        async with asyncio.timeout(5), store.lock("a"):
            assert [asyncio.get_running_loop()] == list(store._turns) == list(store._holders.values())
            entered.close()  # as the collector does, late: it must not free what is ours now
            assert ["a"] == list(store._holders)

    asyncio.run(enter())
    assert ({}, {}) == (store._turns, store._holders)


def test_a_loop_that_dies_meanwhile_frees_its_claim() -> None:
    """A claim of a closed loop is taken over also by a loop that the store knew before."""
    store = MemoryTokenStore()

    async def enter() -> None:
        async with store.lock("b"):
            await asyncio.to_thread(lambda: abandoned.append(abandon_the_lock(store)))
            async with asyncio.timeout(5), store.lock("a"):
                assert asyncio.get_running_loop() is store._holders["a"]

    abandoned = list[Coroutine[Any, Any, None]]()
    asyncio.run(enter())
    abandoned.pop().close()
    gc.collect()


def test_loops_of_two_threads_exclude_each_other() -> None:
    """The lock is exclusive among the loops of several threads, too (pitfall 16)."""
    store, counter = MemoryTokenStore(), [0]

    async def count() -> None:
        for _ in range(10):
            async with store.lock("a"):
                seen = counter[0]
                await asyncio.sleep(0)
                counter[0] = seen + 1

    threads = [in_thread(count()) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert [40] == counter
    assert ({}, {}) == (store._turns, store._holders)


async def test_a_cancelled_wait_for_another_loop_takes_nothing() -> None:
    """Cancelling who waits for another thread's loop leaves nothing behind."""
    store, held, done = MemoryTokenStore(), threading.Event(), threading.Event()

    async def hold() -> None:
        async with store.lock("a"):
            held.set()
            await asyncio.to_thread(done.wait, 30)

    thread = in_thread(hold())
    await asyncio.to_thread(held.wait, 30)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), store.lock("a"):
            pytest.fail("two are inside")
    done.set()
    await asyncio.to_thread(thread.join, 30)
    assert ({}, {}) == (store._turns, store._holders)


def test_repr_shows_no_token() -> None:
    """A store's repr tells its class only."""
    store = MemoryTokenStore()
    asyncio.run(store.save("a", token(1)))
    assert "MemoryTokenStore()" == repr(store)
