"""Run file work in a store's own threads, and never leave a thread working behind its caller's back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar, final

from vendorauth._tracebacks import cut_noting

T = TypeVar("T")

_THREADS: Final = 4


@final
class Threads:
    """
    Lend a few threads to one store, from whatever event loop it is used.

    The loop's default threads are left to others: name resolution waits for them. The threads start with the first
    job, end when the store is collected, and don't keep the interpreter alive. A forked child gets its own. A copy
    and a pickle begin without any.
    """

    def __init__(self) -> None:
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def __reduce__(self) -> tuple[type[Threads], tuple[()]]:
        return Threads, ()

    def pool(self) -> ThreadPoolExecutor:
        """Give this process's threads."""
        # By process, because the threads of the parent don't run in a forked child. No lock guards it, because one
        # that is held during a fork stays held in the child; setdefault() needs none.
        process = os.getpid()
        known = self._pools.get(process)
        if known is not None:
            return known
        return self._pools.setdefault(process, ThreadPoolExecutor(_THREADS, thread_name_prefix="vendorauth-store"))

    async def run(self, job: Callable[[], T]) -> T:
        """
        Run *job* in a thread and give what it returns, or raise what it raises.

        Cancelling drops a job that has not begun; one that has is waited for before ``CancelledError`` goes on, so
        that whoever is cancelled may release a lock which the job relies on.
        """
        submitted = self.pool().submit(job)
        future = asyncio.wrap_future(submitted)
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError:
            submitted.cancel()
            await _settle(future)
            raise
        try:
            return future.result()
        except BaseException as error:  # the job's, whatever it is: its frames hold the token
            cut_noting(error)
            raise


async def _settle(future: asyncio.Future[T]) -> None:
    while not future.done():
        with suppress(asyncio.CancelledError):  # the caller raises the first one
            await asyncio.wait((future,))
    if not future.cancelled():
        future.exception()  # looked at, or asyncio complains that nobody did
