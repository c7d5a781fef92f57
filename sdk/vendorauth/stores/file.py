"""Keep tokens in files that several processes share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import final

from vendorauth.stores._locks import AccountFiles, absolute
from vendorauth.stores._records import NoRecord
from vendorauth.tokens import Token


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
        self._files = AccountFiles(absolute(directory), lock_timeout)

    def __reduce__(self) -> tuple[Callable[[Path], FileTokenStore], tuple[Path]]:
        # A copy, or a pickle, holds no lock and has no threads yet.
        return partial(FileTokenStore, lock_timeout=self._files.lock_timeout), (self._files.directory,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._files.directory)!r}, lock_timeout={self._files.lock_timeout:g})"

    async def load(self, account: str) -> Token | None:
        """
        Give what is stored for *account*, or ``None``.

        A file that holds no record is moved aside, to one ``*.corrupt``, with a warning, and counts as ``None``.

        Raises:
            StoreUnreadable: There is a record of a newer version, or without permission, or something that is no file.
            StoreLockTimeout: Something is to be moved aside, and somebody else has been saving for five seconds.
            StoreUnavailable: The directory can't be read, or is one that others can write.
        """
        file = self._files.file(account)
        try:
            return await self._files.run(file.load)
        except NoRecord:
            pass  # somebody else may be repairing it: read again with the save lock
        return await self._files.exclusively(file, file.load_or_clear)

    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*, so that it survives a crash once this returns. Cancelled in between, it may have been stored.

        Raises:
            StoreConflict: The stored generation is higher.
            StoreUnreadable: There is something that is not ours to overwrite, as for `load`.
            StoreLockTimeout: Somebody else has been saving for five seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        file = self._files.file(account)
        await self._files.exclusively(file, partial(file.save, token))

    async def delete(self, account: str) -> None:
        """
        Forget *account*, whatever version its record has, and what was moved aside.

        Raises:
            StoreLockTimeout: Somebody else has been saving for five seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        file = self._files.file(account)
        if not await self._files.run(file.is_gone):
            await self._files.exclusively(file, lambda _: file.delete())

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """
        Hold *account*'s lock, exclusively among all tasks and processes that share the directory.

        It ends with its process. Cancelling the wait takes nothing. What a closed event loop left behind is free again.

        Raises:
            StoreLockTimeout: Somebody else held it for *lock_timeout* seconds.
            StoreUnavailable: The directory can't be written, or is one that others can write.
        """
        return self._files.lock(account)
