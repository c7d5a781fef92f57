"""Compare what a file store costs with the same steps by hand, and count what a fresh token costs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from vendorauth import FileTokenStore, Token, TokenStore

BLOCK: Final = 10
"""Saves of one kind in a row."""
LARGE: Final = 1300
"""Characters of a token: Cognito's have about as many, and a set of them is more than 4 KB."""


class ByHand:
    """Save a token as `FileTokenStore` does, but for its checks: nothing is read, compared or looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(4)

    async def save(self, token: Token) -> None:
        """Take a lock, write a file, fsync it, rename it, fsync the folder, in a thread."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._save, token)

    def _save(self, token: Token) -> None:
        content = msgspec.json.encode({"version": 1, "token": attrs.asdict(token)})
        lock = os.open(self._folder / "token.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary = self._folder / "token.tmp"
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(file, content)
            os.fsync(file)
            os.close(file)
            temporary.replace(self._folder / "token.json")
            folder = os.open(self._folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        finally:
            os.close(lock)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


async def saves_side_by_side(folder: Path, blocks: int) -> dict[str, Any]:
    """Save in blocks of ten, by turns; give the medians in ms, and the median of the neighbours' ratios."""
    (folder / "hand").mkdir(0o700)
    by_hand = ByHand(folder / "hand")
    store = FileTokenStore(folder / "store")
    ours, theirs = list[float](), list[float]()
    numbers = iter(range(1, 2**31))
    kinds: list[tuple[list[float], Callable[[Token], Awaitable[None]]]] = [
        (ours, partial(store.save, "account")),
        (theirs, by_hand.save),
    ]
    for block in range(blocks):
        for times, save in kinds if block % 2 else reversed(kinds):
            tokens = [_token(next(numbers)) for _ in range(BLOCK)]
            begun = time.perf_counter()
            for token in tokens:
                await save(token)
            times.append((time.perf_counter() - begun) / BLOCK * 1000)
    by_hand.close()
    return {
        "saves": blocks * BLOCK,
        "ours_ms": round(statistics.median(ours), 3),
        "by_hand_ms": round(statistics.median(theirs), 3),
        "ratio": round(statistics.median(one / other for one, other in zip(ours, theirs, strict=True)), 3),
    }


def _token(generation: int) -> Token:
    now = datetime.now(UTC)
    return Token(
        value="v" * LARGE,
        issued_at=now,
        expires_at=now + timedelta(hours=1),
        refresh_token="r" * LARGE,
        generation=generation,
        details={"access_token": "a" * LARGE},
    )


class Counting:
    """Count what *inner* is asked."""

    def __init__(self, inner: TokenStore) -> None:
        self._inner = inner
        self.asked: Counter[str] = Counter()

    async def load(self, account: str) -> Token | None:
        """Pass it on."""
        self.asked["load"] += 1
        return await self._inner.load(account)

    async def save(self, account: str, token: Token) -> None:
        """Pass it on."""
        self.asked["save"] += 1
        await self._inner.save(account, token)

    async def delete(self, account: str) -> None:
        """Pass it on."""
        self.asked["delete"] += 1
        await self._inner.delete(account)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Pass it on."""
        self.asked["lock"] += 1
        return self._inner.lock(account)
