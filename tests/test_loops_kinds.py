"""The whole life of a client on other loops: uvloop, eager tasks, asyncio's debug mode (DESIGN, rule 3)."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from _pitfalls import AGEING, DEVICES, PATIENCE, client_of, errors_in, many, renewal_tasks, renewals_done
from vendorauth import FileTokenStore, PasswordCredentials, ProGloveClient, ProtogridClient
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

Life: TypeAlias = Callable[[Path, int], Coroutine[Any, Any, None]]

APPS = "/api/v2/apps"


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415  it is not for Windows

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009  3.11 has none
    return loop


without_uvloop = pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
lazy = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(_uvloop, id="uvloop", marks=without_uvloop),
    pytest.param(_eager, id="eager", marks=lazy),
]


async def proglove(folder: Path, callers: int) -> None:
    """Log in, renew ahead, renew and replay, cancel the first of many, close in the middle, and begin anew."""
    clock, store = ManualClock(), FileTokenStore(folder)
    async with FakeProGlove(clock=clock.timestamp, rotation=True) as fake:
        async with client_of(fake, store=store, clock=clock) as client:
            assert [] == errors_in(await many(client, callers))
            assert (1, 0) == (fake.count.logins, fake.count.refreshes)
            await _ahead(fake, client, clock)
            fake.expire_all()
            assert [] == errors_in(await many(client, 20))
            assert (1, 2) == (fake.count.logins, fake.count.refreshes)
            await _first_caller_cancelled(fake, client, callers)
            await _closed_meanwhile(fake, client)
        assert client.tokens.peek() is None
        async with client_of(fake, store=FileTokenStore(folder), clock=clock) as client:
            await client.get(DEVICES)
            await client.logout()
        assert (1, 4, 0, 1) == (fake.count.logins, fake.count.refreshes, fake.count.reuse, fake.count.revocations)


async def _ahead(fake: FakeProGlove, client: ProGloveClient, clock: ManualClock) -> None:
    clock.advance(AGEING)
    with fake.hold("refresh") as hold:
        assert [] == errors_in(await many(client, 20))
        await hold.arrived()
    await renewals_done()
    assert (1, 1) == (fake.count.logins, fake.count.refreshes)


async def _first_caller_cancelled(fake: FakeProGlove, client: ProGloveClient, callers: int) -> None:
    fake.expire_all()
    with fake.hold("refresh") as hold:
        calls = [asyncio.ensure_future(client.get(DEVICES)) for _ in range(callers)]
        await hold.arrived()
        calls[0].cancel()
        await asyncio.wait({calls[0]})
    assert calls[0].cancelled()
    assert [] == errors_in(await asyncio.gather(*calls[1:], return_exceptions=True))
    assert (1, 3) == (fake.count.logins, fake.count.refreshes)


async def _closed_meanwhile(fake: FakeProGlove, client: ProGloveClient) -> None:
    """Close while a refresh is under way; its token is stored, though its caller may be too late to send anything."""
    fake.expire_all()
    with fake.hold("refresh") as hold:
        waiting = asyncio.ensure_future(client.get(DEVICES))
        await hold.arrived()
        closing = asyncio.ensure_future(client.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
    await closing
    await asyncio.gather(waiting, return_exceptions=True)


async def protogrid(folder: Path, callers: int) -> None:
    """Log in, take over cookies that roll, log in again after an expiry, close, and begin anew with the last cookie."""

    def client_of_grid() -> ProtogridClient:
        credentials = PasswordCredentials(fake.username, fake.password)
        return ProtogridClient(fake.base_url, credentials, store=FileTokenStore(folder))

    async with FakeProtogrid() as fake:
        fake.rolling, fake.old_cookie_lives = True, True
        async with client_of_grid() as client:
            results = await asyncio.gather(*(client.get(APPS) for _ in range(callers)), return_exceptions=True)
            assert [] == errors_in(results)
            assert 1 == fake.count.logins
            fake.expire_all()
            results = await asyncio.gather(*(client.get(APPS) for _ in range(callers)), return_exceptions=True)
            assert [] == errors_in(results)
            assert 2 == fake.count.logins
            await client.get(APPS)
            held = client.tokens.peek()
        fake.old_cookie_lives = False
        async with client_of_grid() as client:
            assert held is not None
            assert held.value == (await client.tokens.token()).value
            await client.get(APPS)
        assert (2, 0) == (fake.count.logins, fake.count.passwords_refused)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("life", [proglove, protogrid])
@pytest.mark.parametrize("make", LOOPS)
def test_life(
    make: Callable[[], asyncio.AbstractEventLoop],
    life: Life,
    debug: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Rules 2, 3, 7, 12, 14, 17: a client's whole life on each kind of loop, in debug mode too; nothing is left over."""

    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            await life(tmp_path, 20 if debug else 200)
        assert [] == renewal_tasks()
        await asyncio.get_running_loop().shutdown_default_executor()

    with asyncio.Runner(loop_factory=make, debug=debug) as runner:
        runner.get_loop().slow_callback_duration = PATIENCE
        runner.run(main())
    gc.collect()
    assert [] == [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
