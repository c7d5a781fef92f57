"""Check what a token store says about its locks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from vendorauth.stores import TokenStore
from vendorauth.testing._conformance_asserts import (
    MakeStore,
    account,
    equal,
    fail,
    pass_moments,
    raises,
    run,
    soon,
    token,
)

_ROUNDS: Final = 20
_LONGEST_GAP: Final = 0.05
"""Seconds; one round of several is enough, because a busy machine makes gaps of its own."""


def one_holds_the_lock(make: MakeStore) -> None:
    """Of many tasks, with one store or two, one at a time holds an account's lock; the others wait and get it, too."""

    async def check() -> None:
        whose = account()
        inside = 0
        seen = list[int]()

        async def hold(store: TokenStore) -> None:
            nonlocal inside
            async with store.lock(whose):
                inside += 1
                await asyncio.sleep(0.002)
                seen.append(inside)
                inside -= 1

        async with make() as store, make() as other, soon("giving the lock to ten tasks, one after another"):
            await asyncio.gather(*(hold(one) for one in [store, other] * 5))
        equal([1] * 10, seen, "how many held the lock at a time")

    run(check)


def the_lock_guards_no_record(make: MakeStore) -> None:
    """Who holds the lock can load, save and delete, the record of a refusal included; and so can everybody else."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other, store.lock(whose):
            for one in (store, other):
                for name in (whose, f"{whose}|refused"):
                    async with soon("saving, loading and deleting while the lock is held"):
                        await one.save(name, token())
                        equal(token(), await one.load(name), "loaded while the lock is held")
                        await one.delete(name)

    run(check)


def accounts_do_not_wait_for_each_other(make: MakeStore) -> None:
    """Who holds one account's lock keeps nobody from another's, with the same store or with another one."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other, store.lock(f"{whose} 1"):
            for number, one in enumerate((store, other)):
                for name in (f"{whose} {number + 2}", f"{whose} 1 ", f"{whose} 1|refused"):
                    async with soon("taking another account's lock"):
                        await _enter(one, name)

    run(check)


def a_lock_is_released_whatever_happens(make: MakeStore) -> None:
    """The lock is free after an error inside, which comes out as it was, and after its holder was cancelled."""

    async def check() -> None:
        whose = account()
        entered = asyncio.Event()

        async def stumble(store: TokenStore) -> None:
            async with store.lock(whose):
                raise KeyError

        async def hold(store: TokenStore) -> None:
            async with store.lock(whose):
                entered.set()
                await asyncio.Event().wait()

        async with make() as store, make() as other:
            await raises(KeyError, stumble(store), "an error inside a lock")
            holder = asyncio.create_task(hold(other))
            async with soon("taking the lock after an error inside"):
                await entered.wait()
            holder.cancel()
            await raises(asyncio.CancelledError, holder, "cancelling the holder of a lock")
            async with soon("taking the lock after its holder was cancelled"):
                await _enter(store, whose)

    run(check)


def a_cancelled_wait_takes_nothing(make: MakeStore) -> None:
    """Who is cancelled while waiting for the lock, at any moment, does not get it later for nobody."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other:
            for turns in range(20):
                async with soon("taking the lock after a waiter was cancelled"), store.lock(whose):
                    waiter = asyncio.create_task(_enter(other, whose))
                    await pass_moments(turns)
                    waiter.cancel()
                    with suppress(asyncio.CancelledError):
                        await waiter
                # And one who is cancelled while taking a free one.
                taker = asyncio.create_task(_enter(other, whose))
                await pass_moments(turns)
                taker.cancel()
                with suppress(asyncio.CancelledError):
                    await taker
            async with soon("taking the lock after a waiter was cancelled"):
                await _enter(other, whose)

    run(check)


def the_event_loop_goes_on(make: MakeStore) -> None:
    """Whatever the store is asked, other tasks go on meanwhile: loading, saving, deleting, taking a lock, waiting for one."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other:

            async def wait_for_lock() -> None:
                async with store.lock(whose):
                    waiter = asyncio.create_task(_enter(other, whose))
                    await asyncio.sleep(0.1)
                await waiter

            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "saving": lambda: store.save(whose, token()),
                "loading": lambda: store.load(whose),
                "deleting": lambda: store.delete(whose),
                "taking a lock": lambda: _enter(store, whose),
                "waiting for a lock": wait_for_lock,
            }
            for what, call in calls.items():
                gap = await _shortest_gap(call)
                if gap > _LONGEST_GAP:
                    fail(
                        f"{what} keeps the event loop from all else for {gap * 1000:.0f} ms: work that blocks belongs in a thread"
                    )

    run(check)


async def _enter(store: TokenStore, whose: str) -> None:
    async with store.lock(whose):
        pass


async def _shortest_gap(call: Callable[[], Awaitable[object]]) -> float:
    """Give the best of several rounds; the first that is good will do."""
    gap = math.inf
    for _ in range(_ROUNDS):
        gap = min(gap, await _longest_gap(call))
        if gap <= _LONGEST_GAP:
            break
    return gap


async def _longest_gap(call: Callable[[], Awaitable[object]]) -> float:
    """Tell for how many seconds at most *call* let nobody else run."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        await call()
        await asyncio.sleep(0)
    finally:
        watching.cancel()
    return longest
