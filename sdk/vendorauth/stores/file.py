"""Keep tokens in files that several processes share."""

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
from vendorauth.stores._records import NoRecord
from vendorauth.stores._reports import report
from vendorauth.stores._threads import Threads
from vendorauth.tokens import Token

T = TypeVar("T")

_SAVE_SECONDS: Final = 5.0
_PAUSES: Final = (0.005, 0.1)
_GROWTH: Final = 1.5


class _Held:
    """A lock that is held, and the event loop that holds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lock: AsyncFileLock) -> None:
        self.loop: Final = loop
        self.lock: Final = lock


@final
class FileTokenStore:
    """
    Keep each account's token in a JSON file of its own below *directory*, for all processes of one user and host.

    *directory* may begin with ``~`` and is made, with its parents, when something is first stored (mode 0700); files
    have mode 0600 and names that tell nothing about the account. *lock_timeout* is how many seconds `lock` waits, more
    than one renewal takes. A process that is killed leaves the old token or the new one, and no lock behind it.

    Making a store does no I/O. One store serves any number of event loops, after one another or in several threads,
    and forked children. No call blocks the event loop, and a cancelled one returns only when its file work has ended.

    Raises:
        ConfigurationError: *directory* can't be a path of one, or *lock_timeout* can't be a time.
    """

    def __init__(self, directory: str | os.PathLike[str], *, lock_timeout: float = 25.0) -> None:
        if not lock_timeout >= 0:
            message = f"lock_timeout must be a number of seconds, not {lock_timeout}"
            raise ConfigurationError(message)
        self._directory = _absolute(directory)
        self._lock_timeout = lock_timeout
        self._threads = Threads()
        self._held = WeakValueDictionary[Path, _Held]()

    def __reduce__(self) -> tuple[Callable[[Path], FileTokenStore], tuple[Path]]:
        # A copy, or a pickle, holds no lock and has no threads yet.
        return partial(FileTokenStore, lock_timeout=self._lock_timeout), (self._directory,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._directory)!r}, lock_timeout={self._lock_timeout:g})"

    async def load(self, account: str) -> Token | None:
        """
        Give what is stored for *account*, or ``None``.

        A file that holds no record is moved aside, to one ``*.corrupt``, with a warning, and counts as ``None``.

        Raises:
            StoreUnreadable: There is a record of a newer version, or without permission, or something that is no file.
            StoreLockTimeout: Something is to be moved aside, and somebody else has been saving for five seconds.
            StoreUnavailable: The directory can't be read, or is one that others can write.
        """
        file = self._file(account)
        try:
            return await self._run(file.load)
        except NoRecord:
            pass  # somebody else may be repairing it: read again with the save lock
        return await self._exclusively(file, file.load_or_clear)

    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*, so that it survives a crash once this returns. Cancelled in between, it may have been stored.

        Raises:
            StoreConflict: The stored generation is higher.
            StoreUnreadable: There is something that is not ours to overwrite, as for `load`.
            StoreLockTimeout: Somebody else has been saving for five seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        file = self._file(account)
        await self._exclusively(file, partial(file.save, token))

    async def delete(self, account: str) -> None:
        """
        Forget *account*, whatever version its record has, and what was moved aside.

        Raises:
            StoreLockTimeout: Somebody else has been saving for five seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        file = self._file(account)
        if not await self._run(file.is_gone):
            await self._exclusively(file, lambda _: file.delete())

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        """
        Hold *account*'s lock, exclusively among all tasks and processes that share the directory.

        It ends with its process. Cancelling the wait takes nothing. What a closed event loop left behind is free again.

        Raises:
            StoreLockTimeout: Somebody else held it for *lock_timeout* seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        file = self._file(account)
        await self._run(file.prepare)
        # A new one for each call, because two tasks exclude each other only by two.
        lock = AsyncFileLock(file.lock, mode=FILE_MODE, fallback_to_soft=False, executor=self._threads.pool())
        await self._free_from_dead_loop(file.lock)
        await self._until_taken(partial(lock.acquire, blocking=False), self._lock_timeout, file.lock)
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

    def _file(self, account: str) -> RecordFile:
        return RecordFile(self._directory, stored_name(account))

    async def _exclusively(self, file: RecordFile, job: Callable[[Tell], T]) -> T:
        """Do *job* with the save lock of *file*; report here, on the caller's event loop, what it tells."""
        told: list[StoreError] = []
        alone = partial(file.exclusively, partial(job, told.append))
        try:
            return await self._until_taken(partial(self._threads.run, alone), _SAVE_SECONDS, file.save_lock)
        finally:
            for error in told:
                report(error)

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

    async def _run(self, job: Callable[[], T]) -> T:
        with self._trouble():
            return await self._threads.run(job)

    @contextmanager
    def _trouble(self) -> Generator[None]:
        try:
            yield
        except Timeout:  # an OSError as well
            raise
        except OSError as error:
            message = f"{error.filename or self._directory}: {error.strerror or type(error).__name__}"
            raise StoreUnavailable(message) from error


def _absolute(directory: str | os.PathLike[str]) -> Path:
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
