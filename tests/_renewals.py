"""What the tests of renewals share: a sibling process, and stores that watch or fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs

from _stores import WrappedStore
from _vendor import World
from vendorauth import (
    PasswordCredentials,
    Response,
    Token,
)

ACCOUNT = "jane@vendor"


DEAD = 3601.0


OTHER = PasswordCredentials("jane", "other")


FAILING = Response(503, {}, b"")


class WatchedStore(WrappedStore):
    """Write down what happens, in order."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.log: list[str] = []
        self._world = world

    async def load(self, account: str) -> Token | None:
        if account == ACCOUNT:
            self.log.append("load")
        return await super().load(account)

    async def save(self, account: str, token: Token) -> None:
        self.log.append(f"save {token.value}")
        await super().save(account, token)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return self._watched(super().lock(account))

    @asynccontextmanager
    async def _watched(self, lock: AbstractAsyncContextManager[None]) -> AsyncGenerator[None, None]:
        async with lock:
            self.log.append("lock")
            yield
            self.log.append("release")


async def sibling(world: World, **changes: Any) -> Token:
    """Store a newer token, as another process would."""
    held = await world.store.load(ACCOUNT)
    now = world.clock.now()
    newer = Token(value="sibling's", issued_at=now, expires_at=now + timedelta(hours=1), refresh_token="sibling's")
    newer = attrs.evolve(newer, generation=(held.generation if held else 0) + 10_000_000, **changes)
    await world.store.save(ACCOUNT, newer)
    return newer


class BrokenStore(WrappedStore):
    """Fail at everything."""

    async def load(self, account: str) -> Token | None:
        raise OSError

    async def save(self, account: str, token: Token) -> None:
        raise OSError

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        raise OSError
