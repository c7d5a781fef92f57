"""A store to build misbehaving ones on, and fixtures that tests of several stores share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from vendorauth import MemoryTokenStore, StoreError, Token
from vendorauth.stores._reports import listener


class WrappedStore:
    """Pass everything on to a `MemoryTokenStore`."""

    def __init__(self, inner: MemoryTokenStore | None = None) -> None:
        self.inner = MemoryTokenStore() if inner is None else inner

    async def load(self, account: str) -> Token | None:
        return await self.inner.load(account)

    async def save(self, account: str, token: Token) -> None:
        await self.inner.save(account, token)

    async def delete(self, account: str) -> None:
        await self.inner.delete(account)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return self.inner.lock(account)


@pytest.fixture
def told() -> Iterator[list[StoreError]]:
    """Give what a store reports, instead of raising it."""
    heard = list[StoreError]()
    before = listener.set(heard.append)
    yield heard
    listener.reset(before)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a folder for files with tokens."""
    folder = tmp_path / "tokens"
    folder.mkdir(0o700)
    return folder
