"""A store to build misbehaving ones on."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from vendorauth import MemoryTokenStore, Token


class WrappedStore:
    """Pass everything on to a `MemoryTokenStore`."""

    def __init__(self) -> None:
        self.inner = MemoryTokenStore()

    async def load(self, account: str) -> Token | None:
        return await self.inner.load(account)

    async def save(self, account: str, token: Token) -> None:
        await self.inner.save(account, token)

    async def delete(self, account: str) -> None:
        await self.inner.delete(account)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return self.inner.lock(account)
