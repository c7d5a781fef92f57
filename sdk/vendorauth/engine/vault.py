"""Be the seam to a token store: what a store raises leaves it as a `StoreError`, and is reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, TypeVar, final

from vendorauth._logging import fields
from vendorauth.errors import StoreConflict, StoreError, StoreLockTimeout, StoreUnavailable
from vendorauth.events import Operation, StoreTrouble, TokenEvent
from vendorauth.stores import TokenStore
from vendorauth.stores._reports import listener
from vendorauth.tokens import Token

T = TypeVar("T")

log: Final = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that a store may take to load, save, delete or release."""

LOCK_PATIENCE: Final = 60.0
"""Seconds after which a lock is not waited for any more: the store bounds that wait, and one that does not must park nobody."""


@final
class Vault:
    """Keep one account in a store."""

    __slots__ = ("_account", "_failing", "_tell", "store")

    def __init__(self, store: TokenStore, account: str, tell: Callable[[TokenEvent], None]) -> None:
        self.store: Final = store
        self._account = account
        self._tell = tell
        self._failing: dict[Operation, float] = {}

    async def load(self, suffix: str = "") -> Token | None:
        """Read the account's record, or the one beside it named by *suffix*. Raises `StoreError`."""
        return await self._seam("load", lambda: self.store.load(self._account + suffix))

    async def save(self, token: Token, suffix: str = "") -> None:
        """
        Store *token*, even when this task is cancelled meanwhile: what a vendor answered must not be lost.

        Raises `StoreError`, and `CancelledError` once the token is stored.
        """

        def save() -> Awaitable[None]:
            return self.store.save(self._account + suffix, token)

        try:
            await self._seam("save", save)
        except asyncio.CancelledError:
            with suppress(StoreError):
                await self._seam("save", save)
            raise

    async def delete(self, suffix: str = "") -> None:
        """Forget the record. Raises `StoreError`."""
        await self._seam("delete", lambda: self.store.delete(self._account + suffix))

    @asynccontextmanager
    async def locked(self) -> AsyncGenerator[None, None]:
        """
        Hold the account's lock. Raises `StoreError` when it can't be had; trouble with releasing it is only reported.

        The store's own context manager never sees an exception: one that rolls back would undo a good save. It is left
        in the task that entered it, and by who is cancelled, too; cancelled while it is being left, it hears of that.
        """
        lock = await self._seam("lock", self._take)
        try:
            yield
        finally:
            with suppress(StoreError):
                await self._seam("release", lambda: lock.__aexit__(None, None, None))

    async def _take(self) -> AbstractAsyncContextManager[None]:
        lock = self.store.lock(self._account)
        await lock.__aenter__()
        return lock

    async def _seam(self, operation: Operation, call: Callable[[], Awaitable[T]]) -> T:
        trouble: StoreError
        seconds = LOCK_PATIENCE if operation == "lock" else PATIENCE
        bound = asyncio.timeout(seconds)
        try:
            # The timer first: the loop may keep it, with its context, for long after it is over.
            async with bound:
                result = await self._heard(operation, call)
        except StoreError as error:
            trouble = error
        except Exception as error:  # noqa: BLE001  the seam to a user's store
            trouble = _translated(operation, error, seconds if bound.expired() else None)
        else:
            self._works(operation)
            return result
        if not isinstance(trouble, StoreConflict):
            self._report(operation, trouble)
        raise trouble

    async def _heard(self, operation: Operation, call: Callable[[], Awaitable[T]]) -> T:
        heard = listener.set(lambda error: self._event(operation, error))
        try:
            return await call()
        finally:
            with suppress(ValueError):  # collected after its loop was closed, outside its own context
                listener.reset(heard)

    def _report(self, operation: Operation, error: StoreError) -> None:
        self._failing.setdefault(operation, asyncio.get_running_loop().time())
        log.warning(
            "the token store of %s gives trouble, %s: %s: %s; the token serves from memory",
            self._account,
            operation,
            type(error).__name__,
            error,
            extra=fields(self._account, operation=operation, error=type(error).__name__),
        )
        self._event(operation, error)

    def _works(self, operation: Operation) -> None:
        since = self._failing.pop(operation, None)
        if since is not None:
            seconds = asyncio.get_running_loop().time() - since
            log.info(
                "the token store of %s works again, %s: %.0f s after it failed first",
                self._account,
                operation,
                seconds,
                extra=fields(self._account, operation=operation, seconds=seconds),
            )

    def _event(self, operation: Operation, error: StoreError) -> None:
        self._tell(StoreTrouble(account=self._account, operation=operation, error=error))


def _translated(operation: Operation, error: Exception, waited: float | None) -> StoreError:
    if operation == "lock" and waited is not None:
        return StoreLockTimeout(f"the token store gave no lock within {waited:g} seconds")
    trouble = StoreUnavailable(f"the token store's {operation} failed: {type(error).__name__}")
    trouble.__cause__ = error
    return trouble
