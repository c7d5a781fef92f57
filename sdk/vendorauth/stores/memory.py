"""Keep tokens for as long as the process lives."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn, TypeAlias, final
from weakref import WeakSet

from vendorauth.errors import StoreConflict
from vendorauth.tokens import Token

Loop: TypeAlias = asyncio.AbstractEventLoop

_PAUSE: Final = 0.01


class _Turn:
    """One account's lock on one event loop, and how many hold it or wait for it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


@final
class MemoryTokenStore:
    """
    Keep tokens in this process only.

    One store serves any number of event loops, after one another or in several threads. A lock that a closed event
    loop left behind is free again. A forked child begins with a copy of the tokens and with all locks free. Nothing
    here blocks, and nothing raises but `save`.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._free_locks()
        _stores.add(self)

    def _free_locks(self) -> None:
        self._turns: dict[Loop, dict[str, _Turn]] = {}
        self._holders: dict[str, Loop] = {}
        # For threads; held for a few instructions only, never across an await.
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __reduce__(self) -> NoReturn:
        message = "a MemoryTokenStore can't be pickled or copied: its tokens are this process's; to share them, make one of files"
        raise TypeError(message)

    async def load(self, account: str) -> Token | None:
        """Give what is stored for *account*, or ``None``."""
        return self._tokens.get(account)

    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*.

        Raises:
            StoreConflict: The stored generation is higher.
        """
        with self._guard:
            stored = self._tokens.get(account)
            if stored is None or stored.generation <= token.generation:
                self._tokens[account] = token
                return
        message = f"generation {stored.generation} is stored, which is newer than {token.generation}"
        raise StoreConflict(message)

    async def delete(self, account: str) -> None:
        """Forget *account*; not an error when nothing is stored."""
        self._tokens.pop(account, None)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        """
        Hold *account*'s lock, exclusively among all tasks that share the store, on whatever event loop.

        Cancelling the wait takes nothing. Tasks of one loop have it in the order in which they came. The wait has no
        end of its own.
        """
        loop = asyncio.get_running_loop()
        turn = self._join(loop, account)
        try:
            async with turn.lock:
                while not self._claim(loop, account):  # noqa: ASYNC110  an event can't be set across loops
                    await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  spreads tries, no secret
                try:
                    yield
                finally:
                    self._give_back(loop, account)
        finally:
            self._leave(loop, account, turn)

    def _join(self, loop: Loop, account: str) -> _Turn:
        with self._guard:
            if loop not in self._turns:
                self._prune()
            turn = self._turns.setdefault(loop, {}).setdefault(account, _Turn())
            turn.users += 1
            return turn

    def _leave(self, loop: Loop, account: str, turn: _Turn) -> None:
        turn.users -= 1
        if turn.users:
            return
        with self._guard:
            turns = self._turns.get(loop, {})
            turns.pop(account, None)
            if not turns:
                self._turns.pop(loop, None)

    def _claim(self, loop: Loop, account: str) -> bool:
        """Take *account* for *loop*, unless another living loop has it: an asyncio lock knows of one loop only."""
        with self._guard:
            holder = self._holders.get(account)
            if holder is not None and not holder.is_closed():
                return False
            self._holders[account] = loop
            return True

    def _give_back(self, loop: Loop, account: str) -> None:
        with self._guard:
            # A closed loop's task that is collected late finds that somebody else has it by now.
            if self._holders.get(account) is loop:
                del self._holders[account]

    def _prune(self) -> None:
        self._turns = {loop: turns for loop, turns in self._turns.items() if not loop.is_closed()}
        self._holders = {account: loop for account, loop in self._holders.items() if not loop.is_closed()}


_stores: Final[WeakSet[MemoryTokenStore]] = WeakSet()


def _after_fork() -> None:
    """Free all locks in a child: whoever held them is in the parent, and would never give them back here."""
    for store in _stores:
        store._free_locks()  # noqa: SLF001  of this module


with suppress(AttributeError):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
