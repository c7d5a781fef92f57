"""What the tests of keeping tokens share: a store with switches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from _stores import WrappedStore
from vendorauth import (
    RefreshPolicy,
    Response,
    StoreUnavailable,
    Token,
)

ACCOUNT = "jane@vendor"


SOON = RefreshPolicy(backoff=(0.01, 0.01))


class Store(WrappedStore):
    """Fail at *failing* operations; hold saves back until *gate* is set."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.error: Exception = StoreUnavailable("down")
        self.failed = asyncio.Event()
        self.saved = asyncio.Event()
        self.saving: asyncio.Event | None = None
        self.gate: asyncio.Event | None = None

    def _fail(self, operation: str) -> None:
        if operation in self.failing:
            self.failed.set()
            raise self.error

    async def load(self, account: str) -> Token | None:
        self._fail("load")
        return await super().load(account)

    async def save(self, account: str, token: Token) -> None:
        self._fail("save")
        if self.gate is not None and self.saving is not None:
            self.saving.set()
            await self.gate.wait()
        await super().save(account, token)
        self.saved.set()

    async def delete(self, account: str) -> None:
        self._fail("delete")
        await super().delete(account)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        self._fail("lock")
        return self._watched(account)

    @asynccontextmanager
    async def _watched(self, account: str) -> AsyncGenerator[None, None]:
        async with self.inner.lock(account):
            yield
        self._fail("release")


def rolled(value: str, status: int = 200) -> Response:
    return Response(status, {"Rolled": value}, b"")
