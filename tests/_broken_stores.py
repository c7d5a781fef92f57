"""Token stores that each break one promise; several of them share one `MemoryTokenStore`, or one folder."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Never

import attrs

from _stores import WrappedStore
from vendorauth import MemoryTokenStore, StoreConflict, StoreUnavailable, Token


class Whole(WrappedStore):
    """Break nothing."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__(inner)
        self._locks = list[AbstractAsyncContextManager[None]]()

    def kept(self, account: str) -> AbstractAsyncContextManager[None]:
        """Give a lock that the garbage collector does not release."""
        self._locks.append(self.inner.lock(account))
        return self._locks[-1]

    async def replace(self, account: str, token: Token) -> None:
        """Store *token* whatever is there."""
        await self.inner.delete(account)
        await self.inner.save(account, token)


def losing(**lost: Any) -> type[Whole]:
    """Save everything but this."""

    class Losing(Whole):
        async def save(self, account: str, token: Token) -> None:
            await super().save(account, attrs.evolve(token, **lost))

    return Losing


def naming(name_of: Callable[[str], str]) -> type[Whole]:
    """Keep tokens under names that may be two accounts'."""

    class Naming(Whole):
        async def load(self, account: str) -> Token | None:
            return await super().load(name_of(account))

        async def save(self, account: str, token: Token) -> None:
            await self.replace(name_of(account), token)

        async def delete(self, account: str) -> None:
            await super().delete(name_of(account))

    return Naming


def composed(account: str) -> str:
    return unicodedata.normalize("NFC", account)


class LosesMicroseconds(Whole):
    async def save(self, account: str, token: Token) -> None:
        await super().save(account, attrs.evolve(token, issued_at=token.issued_at.replace(microsecond=0)))


class MistakesEmptyForNothing(Whole):
    async def save(self, account: str, token: Token) -> None:
        await super().save(account, attrs.evolve(token, refresh_token=token.refresh_token or None))


class AnswersFromItsOwnCache(Whole):
    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__(inner)
        self._cache = dict[str, Token]()

    async def load(self, account: str) -> Token | None:
        return self._cache.get(account)

    async def save(self, account: str, token: Token) -> None:
        await super().save(account, token)
        self._cache[account] = token

    async def delete(self, account: str) -> None:
        await super().delete(account)
        self._cache.pop(account, None)


class LoadsOnce(Whole):
    """Remember what it has loaded, and look at the storage never again."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__(inner)
        self._first = dict[str, Token]()

    async def load(self, account: str) -> Token | None:
        found = self._first.get(account) or await super().load(account)
        if found is not None:
            self._first[account] = found
        return found


class DeletesNothing(Whole):
    async def delete(self, account: str) -> None:
        pass


class DeletesOnlyWhatIsThere(Whole):
    async def delete(self, account: str) -> None:
        if await self.load(account) is None:
            raise KeyError(account)
        await super().delete(account)


class RemembersDeletedGenerations(Whole):
    async def save(self, account: str, token: Token) -> None:
        last = await self.inner.load(f"{account} last")
        if last is not None and last.generation > token.generation:
            message = "it was newer"
            raise StoreConflict(message)
        await super().save(account, token)
        await super().save(f"{account} last", token)


class ForgetsGenerations(Whole):
    async def save(self, account: str, token: Token) -> None:
        await self.replace(account, token)


class RefusesTheSameGeneration(Whole):
    async def save(self, account: str, token: Token) -> None:
        found = await self.load(account)
        if found is not None and found.generation == token.generation:
            message = "the same"
            raise StoreConflict(message)
        await super().save(account, token)


class KeepsTheNewerInSilence(Whole):
    async def save(self, account: str, token: Token) -> None:
        found = await self.load(account)
        if found is None or found.generation <= token.generation:
            await super().save(account, token)


class RaisesItsOwnConflict(Whole):
    async def save(self, account: str, token: Token) -> None:
        try:
            await super().save(account, token)
        except StoreConflict:
            message = "rows affected: 0"
            raise OSError(message) from None


class ComparesThenWrites(Whole):
    async def save(self, account: str, token: Token) -> None:
        found = await self.load(account)
        if found is not None and found.generation > token.generation:
            message = "it is newer"
            raise StoreConflict(message)
        await asyncio.sleep(0)
        await self.replace(account, token)


class FailsAtOnce(Whole):
    """Fail when much is saved at once."""

    saving = 0

    async def save(self, account: str, token: Token) -> None:
        type(self).saving += 1
        try:
            if self.saving > 1:
                message = "the database is locked"
                raise OSError(message)
            await asyncio.sleep(0)
            await super().save(account, token)
        finally:
            type(self).saving -= 1


class TakesNothingLarge(Whole):
    async def save(self, account: str, token: Token) -> None:
        if len(str(token.details)) > 2**16:
            message = "too long for the column"
            raise StoreUnavailable(message)
        await super().save(account, token)


class DeletesThenWrites(Whole):
    async def save(self, account: str, token: Token) -> None:
        await self.inner.delete(account)
        await asyncio.sleep(0)
        await self.inner.save(account, token)


class WritesInTwoSteps(Whole):
    async def save(self, account: str, token: Token) -> None:
        old = await self.load(account) or token
        await self.replace(account, attrs.evolve(token, details=old.details))
        await asyncio.sleep(0)
        await self.replace(account, token)


class StaysLockedWhenCancelled(Whole):
    saving = False

    async def save(self, account: str, token: Token) -> None:
        while type(self).saving:
            await asyncio.sleep(0.01)
        type(self).saving = True
        await asyncio.sleep(0)
        await super().save(account, token)
        type(self).saving = False


class MixesUpAnswers(Whole):
    """Leave the answer that a cancelled load has not read to the next one, as on a connection that is used again."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__(inner)
        self._unread = list[Token | None]()

    async def load(self, account: str) -> Token | None:
        self._unread.append(await super().load(account))
        await asyncio.sleep(0)
        return self._unread.pop(0)


class ReadsAnOldReplica(Whole):
    """Now and then answer from before."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__(inner)
        self._loads = 0
        self._old: Token | None = None

    async def load(self, account: str) -> Token | None:
        self._loads += 1
        if self._loads % 3:
            self._old = await super().load(account)
            return self._old
        return self._old and attrs.evolve(self._old, generation=max(0, self._old.generation - 1))


class Unreachable(Whole):
    async def load(self, account: str) -> Token | None:
        self.trouble()

    async def save(self, account: str, token: Token) -> None:
        self.trouble()

    async def delete(self, account: str) -> None:
        self.trouble()

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        self.trouble()
        yield

    def trouble(self) -> Never:
        message = "can't connect"
        raise StoreUnavailable(message)


class RaisesWhatItsDriverRaises(Unreachable):
    def trouble(self) -> Never:
        message = "no route to host"
        raise OSError(message)


class HangsWhenUnreachable(Unreachable):
    async def load(self, account: str) -> Token | None:
        await asyncio.Event().wait()
        return None


class HangsInItsLock(Whole):
    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        await asyncio.Event().wait()
        yield


class EndsTheProgram(Unreachable):
    def trouble(self) -> Never:
        raise SystemExit(1)
