"""Check what a token store says to processes that share it."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

import attrs

from vendorauth.errors import StoreConflict
from vendorauth.testing._conformance_asserts import MakeStore, account, equal, fail, generation_of, run, soon, token
from vendorauth.tokens import Token

_ROUNDS: Final = 10
_STARTING: Final = 60.0
"""Seconds after which another process has nothing to say any more."""


class Pipe(Protocol):
    """Be one end of a pipe; its class differs by platform."""

    def poll(self, timeout: float | None = 0.0, /) -> bool:
        """Tell whether there is something to receive, or the other end is closed."""
        ...

    def recv(self) -> Any:
        """Receive."""
        ...

    def send(self, obj: Any, /) -> None:
        """Send."""
        ...


def processes_exclude_each_other(make: MakeStore) -> None:
    """Of two processes, one at a time holds the lock: a counter that both raise under it loses nothing."""
    whose = account()

    async def check() -> None:
        async with soon("raising a counter under the lock, together with another process"):
            await count_up(make, whose)

    async def look() -> None:
        async with make() as store:
            counted = generation_of(await store.load(whose))
            equal(2 * _ROUNDS, counted, "what two processes have counted that raise a counter under the lock")
            await store.delete(whose)

    with _other_process(_count_up_there, make, whose) as there:
        _answer(there)
        there.send("go")
        run(check)
        _answer(there)
    run(look)


def a_killed_process_leaves_all_in_order(make: MakeStore) -> None:
    """The lock of a process that is killed while it holds it is free again soon, and what it had saved is there, whole."""
    whose = account()

    async def look() -> None:
        async with make() as store:
            async with soon("taking the lock of a process that was killed"), store.lock(whose):
                found = await store.load(whose)
                equal(_telling(max(1, generation_of(found))), found, "loaded after a process was killed while it saved")
            await store.delete(whose)

    with _other_process(save_on_and_on, make, whose) as there:
        _answer(there)
        time.sleep(random.uniform(0.0, 0.02))  # noqa: S311  a moment of chance
    run(look)


@contextmanager
def _other_process(work: Callable[[MakeStore, str, Pipe], None], make: MakeStore, whose: str) -> Generator[Pipe]:
    """Let a process *work*, and kill it in the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(make, whose, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def _answer(there: Pipe) -> None:
    try:
        if there.poll(_STARTING):
            there.recv()
            return
    except EOFError:
        pass
    fail("the other process ended, or says nothing: what it raised stands in its standard error")


def _count_up_there(make: MakeStore, whose: str, here: Pipe) -> None:
    async def count() -> None:
        async with make():  # what takes long, the first time
            here.send("ready")
            here.recv()
        await count_up(make, whose)
        here.send("done")

    asyncio.run(count())


async def count_up(make: MakeStore, whose: str) -> None:
    """Raise the account's generation a few times, each time under the lock."""
    async with make() as store:
        for _ in range(_ROUNDS):
            async with store.lock(whose):
                last = await store.load(whose)
                await asyncio.sleep(0.001)
                with suppress(StoreConflict):  # somebody else was here: one less is counted
                    await store.save(whose, token(generation=1 + max(0, generation_of(last))))


def save_on_and_on(make: MakeStore, whose: str, here: Pipe) -> None:
    """Hold the lock and save, until *here* has something to say or is closed."""

    async def save() -> None:
        async with make() as store, store.lock(whose):
            generation = 1
            await store.save(whose, _telling(generation))
            here.send("saved")
            while not here.poll():
                generation += 1
                await store.save(whose, _telling(generation))

    asyncio.run(save())


def _telling(generation: int) -> Token:
    """Make a token of which every part tells the generation."""
    return attrs.evolve(token(generation=generation, value=f"{generation} " * 1000), details={"generation": generation})
