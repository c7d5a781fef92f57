"""What the tests of clocks and of event loops share: other machines' clocks, other processes' stores."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from _pitfalls import DEVICES
from _stores import WrappedStore
from _vendor import World
from vendorauth import PasswordCredentials, ProGloveClient, Token, TokenSource
from vendorauth.testing import ManualClock

DAY = 86_400.0
HOUR = 3600.0


class OtherClock:
    """Be another machine's clock: the wall clock differs by *seconds*, the monotonic one began at *zero* of ours."""

    def __init__(self, clock: ManualClock, seconds: float = 0.0, zero: float = 0.0) -> None:
        self._clock = clock
        self._ahead = timedelta(seconds=seconds)
        self._zero = zero

    def now(self) -> datetime:
        """Tell the wall clock's time."""
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        """Tell the monotonic clock's time."""
        return self._clock.monotonic() - self._zero


class SharedStore(WrappedStore):
    """Be one process's object for the store of *world*, which all its processes share."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.inner = world.store


def exchanges(world: World) -> int:
    """Count how often the vendor was asked for a token."""
    return world.vendor.count["login"] + world.vendor.count["refresh"]


def jump(clock: ManualClock, how: tuple[str, float]) -> None:
    """Let *clock* suspend, or be stepped, by so many seconds."""
    getattr(clock, how[0])(how[1])


def assert_alive(tokens: Iterable[Token], source: TokenSource, now: datetime) -> None:
    """Check that *tokens* are the one that *source* holds, which has not ended by either clock."""
    held = source.peek()
    assert held is not None
    assert held.expires_at is not None
    assert {held.value} == {token.value for token in tokens}
    assert now < held.expires_at
    assert source.status().state in {"fresh", "ageing"}


async def run_script(script: str, *arguments: str) -> tuple[list[str], str]:
    """Run *script* in a process of its own, which has 50 seconds and must succeed; give its lines, and what it complained of."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    process = await create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(50):
            told, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert 0 == process.returncode, complained.decode()
    return told.decode().splitlines(), complained.decode()


def spawned(vendor: dict[str, Any]) -> int:
    """Use a client in a spawned process; give the generation of its token."""

    async def use() -> int:
        credentials = PasswordCredentials(vendor["username"], vendor["password"])
        async with ProGloveClient(
            vendor["base_url"],
            vendor["customer_id"],
            credentials,
            cognito_url=vendor["cognito_url"],
            store=vendor["store"],
        ) as client:
            await client.get(DEVICES)
            held = client.tokens.peek()
            assert held is not None
            return held.generation

    return asyncio.run(use())
