"""Token stores that each break one promise about locks, in memory and in files that processes share."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from _broken_stores import Whole
from vendorauth import MemoryTokenStore, StoreLockTimeout, Token
from vendorauth.stores import FileTokenStore, TokenStore


class LocksNobodyOut(Whole):
    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()


class LocksPerStore(Whole):
    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__(inner)
        self._mine = MemoryTokenStore()

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return self._mine.lock(account)


class WaitsForNobody(Whole):
    """Give up at once where somebody has the lock."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(0.001):
                lock = self.inner.lock(account)
                await lock.__aenter__()
        except TimeoutError:
            message = "held by somebody else"
            raise StoreLockTimeout(message) from None
        try:
            yield
        finally:
            await lock.__aexit__(None, None, None)


class SavesUnderTheLock(Whole):
    async def save(self, account: str, token: Token) -> None:
        async with self.lock(account):
            await super().save(account, token)


class HasOneLockForAll(Whole):
    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return self.inner.lock("all")


class KeepsTheLockAfterAnError(Whole):
    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        lock = self.kept(account)
        await lock.__aenter__()
        yield
        await lock.__aexit__(None, None, None)


class KeepsTheLockWhenCancelled(Whole):
    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        lock = self.kept(account)
        await lock.__aenter__()
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await lock.__aexit__(None, None, None)
            raise
        await lock.__aexit__(None, None, None)


class SwallowsErrors(Whole):
    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        async with self.inner.lock(account):
            with suppress(KeyError):
                yield


class TakesTheLockLater(Whole):
    """Wait in a task that a cancelled caller leaves behind."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        lock = self.kept(account)
        taking = asyncio.ensure_future(lock.__aenter__())
        await asyncio.shield(taking)
        try:
            yield
        finally:
            await lock.__aexit__(None, None, None)


class SavesInTheLoop(Whole):
    async def save(self, account: str, token: Token) -> None:
        time.sleep(0.06)  # noqa: ASYNC251  what is to be found
        await super().save(account, token)


class WaitsInTheLoop(Whole):
    """Poll for the lock without letting anybody else run in between."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        async with self.inner.lock(account):
            time.sleep(0.06)  # noqa: ASYNC251  what is to be found
            yield


class StandsStill(Whole):
    """Wait for a lock of threads in the event loop; *freed* lets the test end."""

    freed: Final = threading.Event()
    held = False

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        if type(self).held:
            self.freed.wait()
        type(self).held = True
        try:
            yield
        finally:
            type(self).held = False


class FileLockedByExistence:
    """Keep tokens in files; whose lock's file exists holds it, even when dead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inner = FileTokenStore(folder)
        self.load = self._inner.load
        self.save = self._inner.save
        self.delete = self._inner.delete

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        path = self._folder.with_name(f"{account}.lock")
        while True:
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                await asyncio.sleep(0.001)
        try:
            yield
        finally:
            path.unlink()


class FileLockedInOneProcess(FileLockedByExistence):
    """Keep tokens in files, and locks in memory."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        async with _ONE_PROCESS.lock(account):
            yield


_ONE_PROCESS: Final = MemoryTokenStore()


@asynccontextmanager
async def in_files(kind: type[FileLockedByExistence], folder: Path) -> AsyncGenerator[TokenStore]:
    """Make a store of *kind*, for other processes as well."""
    yield kind(folder)


@asynccontextmanager
async def only_in(process: int, folder: Path) -> AsyncGenerator[TokenStore]:
    """Make a store that works in one process only."""
    if os.getpid() != process:
        message = "not here"
        raise OSError(message)
    yield FileTokenStore(folder)
