"""Let a fake run in one thread, and the test that uses it in another."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar, final

T = TypeVar("T")


@final
class Mark:
    """Be reached once, in whatever thread, and awaited in any event loop."""

    def __init__(self) -> None:
        self._future: Future[None] = Future()
        # A future that runs is not cancelled with those who wait for it.
        self._future.set_running_or_notify_cancel()

    @property
    def is_reached(self) -> bool:
        """Whether that has happened."""
        return self._future.done()

    def reach(self) -> None:
        """Let go whoever waits, now and later."""
        with contextlib.suppress(InvalidStateError):
            self._future.set_result(None)

    async def reached(self) -> None:
        """Wait for it. Cancel safe."""
        await asyncio.wrap_future(self._future)


@final
class LoopThread:
    """Run an event loop in a thread of its own until `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A daemon: a test run that dies does not wait for it.
        self._thread = threading.Thread(target=self._loop.run_forever, name="vendorauth fake", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* there, and block until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* there, and wait for it here, in whatever loop that is."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
