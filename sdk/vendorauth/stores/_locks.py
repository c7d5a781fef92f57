"""Lock accounts by files, for all processes of one user and host."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, final
from weakref import WeakValueDictionary

from filelock import AsyncFileLock, Timeout

from vendorauth.errors import ConfigurationError, StoreError, StoreLockTimeout, StoreUnavailable
from vendorauth.stores._files import FILE_MODE, RecordFile, Tell
from vendorauth.stores._names import stored_name
from vendorauth.stores._reports import report
from vendorauth.stores._threads import Threads

T = TypeVar("T")
Run = Callable[[Callable[[], T]], Awaitable[T]]

_SAVE_SECONDS: Final = 5.0
_PAUSES: Final = (0.005, 0.1)
_GROWTH: Final = 1.5


class _Held:
    """A lock that is held, and the event loop that holds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lock: AsyncFileLock) -> None:
        self.loop: Final = loop
        self.lock: Final = lock


@final
class AccountFiles:
    """
    Give out the files of accounts in *directory*, work on them in threads, and their locks.

    Raises:
        ConfigurationError: *lock_timeout* can't be a time.
    """

    def __init__(self, directory: Path, lock_timeout: float) -> None:
        if not lock_timeout >= 0:
            message = f"lock_timeout must be a number of seconds, not {lock_timeout}"
            raise ConfigurationError(message)
        self.directory: Final = directory
        self.lock_timeout: Final = lock_timeout
        self._threads = Threads()
        self._held = WeakValueDictionary[Path, _Held]()

    def file(self, account: str) -> RecordFile:
        """Name the files of *account*."""
        return RecordFile(self.directory, stored_name(account))

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        """
        Hold *account*'s lock, exclusively among all tasks and processes that share the directory.

        It ends with its process. Cancelling the wait takes nothing. What a closed event loop left behind is free again.

        Raises:
            StoreLockTimeout: Somebody else held it for *lock_timeout* seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        file = self.file(account)
        await self.run(file.prepare)
        # A new one for each call, because two tasks exclude each other only by two.
        lock = AsyncFileLock(file.lock, mode=FILE_MODE, fallback_to_soft=False, executor=self._threads.pool())
        await self._free_from_dead_loop(file.lock)
        await self._until_taken(partial(lock.acquire, blocking=False), self.lock_timeout, file.lock)
        held = self._held[file.lock] = _Held(asyncio.get_running_loop(), lock)
        try:
            yield
        finally:
            del held
            with self._trouble():
                await lock.release()

    async def _free_from_dead_loop(self, path: Path) -> None:
        """Release what a task of a closed loop holds: it will never come to it, and lives until it is collected."""
        held = self._held.get(path)
        if held is not None and held.loop.is_closed():
            with self._trouble():
                await held.lock.release()

    async def exclusively(self, file: RecordFile, job: Callable[[Tell], T], run: Run[T] | None = None) -> T:
        """
        Do *job* in a thread, with the save lock of *file*; report here, on the caller's event loop, what it tells.

        *run* runs it in another thread than one of this object's: it may hang, and locks need threads, too.
        """
        told: list[StoreError] = []
        alone = partial(file.exclusively, partial(job, told.append))
        try:
            return await self._until_taken(partial(run or self._threads.run, alone), _SAVE_SECONDS, file.save_lock)
        finally:
            for error in told:
                report(error)

    async def run(self, job: Callable[[], T]) -> T:
        """Do *job* in a thread."""
        with self._trouble():
            return await self._threads.run(job)

    async def _until_taken(self, take: Callable[[], Awaitable[T]], seconds: float, lock: Path) -> T:
        """Try again and again: a thread that waits could not be cancelled, and would take the lock for nobody."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        pause, longest = _PAUSES
        while True:
            try:
                with self._trouble():
                    return await take()
            except Timeout:
                left = deadline - loop.time()
            if left <= 0:
                break
            await asyncio.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  spreads tries, no secret
            pause = min(pause * _GROWTH, longest)
        message = f"{lock} was held by somebody else for {seconds:g} seconds"
        raise StoreLockTimeout(message)

    @contextmanager
    def _trouble(self) -> Generator[None]:
        try:
            yield
        except Timeout:  # an OSError as well
            raise
        except OSError as error:
            message = f"{error.filename or self.directory}: {error.strerror or type(error).__name__}"
            raise StoreUnavailable(message) from error


def absolute(directory: str | os.PathLike[str]) -> Path:
    """Settle now what a path means, because a later chdir() must not move the store."""
    given = os.fspath(directory)
    # From untyped code it may be bytes.
    if type(given) is not str or not given or "\0" in given:
        message = f"{given!r} can't be the path of a directory"
        raise ConfigurationError(message)
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError as error:
        message = f"{given!r}: there is no such home directory"
        raise ConfigurationError(message) from error
