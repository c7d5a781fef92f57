"""Say what a token store has to do."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from vendorauth.tokens import Token


class TokenStore(Protocol):
    """
    Keep tokens by account, for everybody who shares the store.

    An exception that is no `vendorauth.StoreError` becomes a `vendorauth.StoreUnavailable` on its way out.
    """

    async def load(self, account: str) -> Token | None:
        """
        Give what is stored for *account*, or ``None``.

        Raises:
            StoreUnreadable: There is a record that is not ours to read; it stays as it is.
            StoreUnavailable: The store can't be reached.
        """
        ...

    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*, so that it survives a crash once this returns.

        Raises:
            StoreConflict: The stored generation is higher; compared and written atomically.
            StoreUnreadable: There is a record that is not ours to read; it stays as it is.
            StoreUnavailable: The store can't be written.
        """
        ...

    async def delete(self, account: str) -> None:
        """
        Forget *account*; not an error when nothing is stored.

        Raises:
            StoreUnavailable: The store can't be written.
        """
        ...

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """
        Hold *account*'s lock, exclusively among all who share the store. Cancelling the wait takes nothing.

        The store bounds the wait; a source cancels it after a minute.

        Raises:
            StoreLockTimeout: Somebody else held it for too long.
            StoreUnavailable: The store can't be reached.
        """
        ...
