"""Closing, opening again, and several event loops (DESIGN, rules 3, 14, 15)."""

import asyncio
import gc
import threading
from collections.abc import Iterator

import pytest

from _stores import WrappedStore
from _vendor import World, settle
from vendorauth import (
    AuthServiceUnavailable,
    ReauthenticationRequired,
    Response,
    Token,
)
from vendorauth.engine import settling as engine_settling
from vendorauth.engine import vault

AGEING = 3300.0


FAILING = Response(503, {}, b"")


@pytest.fixture
def world() -> World:
    return World()


class CountingStore(WrappedStore):
    """Count what is asked of the store."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def load(self, account: str) -> Token | None:
        self.asked.append("load")
        return await super().load(account)


async def test_second_event_loop_is_refused_while_the_first_lives(world: World) -> None:
    """Rule 15: a source of another running loop raises RuntimeError, fresh token or not."""
    source = world.source()
    await source.token()
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(source.token())
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0)
    assert "another event loop" in str(errors[0])


def test_works_in_a_later_run(world: World) -> None:
    """Rule 15: the same source works in a later asyncio.run, with the token from the store."""
    source = world.source()
    first = asyncio.run(source.token())
    assert first == asyncio.run(source.token())
    assert 1 == world.vendor.count["login"]


@pytest.fixture
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.usefixtures("_collected")
async def test_source_is_forgotten_with_its_last_user(world: World) -> None:
    """Nothing of an account stays behind once nobody holds its source."""
    source = world.source()
    first = await source.token()
    del source
    gc.collect()
    assert first == await world.source().token()
    assert 1 == world.vendor.count["login"]


async def test_closed_source_raises_until_entered_again(world: World) -> None:
    """Rule 14: calls after aclose() raise RuntimeError; async with opens it again."""
    source = world.source()
    async with source:
        token = await source.token()
    with pytest.raises(RuntimeError, match="closed"):
        await source.token()
    async with source:
        assert token == await source.token()
    await source.aclose()
    await source.aclose()


async def test_close_lets_a_renewal_save(world: World) -> None:
    """Rule 14: aclose() waits for the renewal under way, whose token is stored; its waiter gets it."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    closing = asyncio.ensure_future(source.aclose())
    await settle()
    assert not closing.done()
    gate.open()
    await closing
    assert await world.store.load("jane@vendor") == await call


async def test_cancelled_close_can_be_called_again(world: World) -> None:
    """Rule 14: cancelling aclose() loses nothing."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    closing = asyncio.ensure_future(source.aclose())
    await settle()
    closing.cancel()
    gate.open()
    await asyncio.wait({closing})
    await source.aclose()
    assert await world.store.load("jane@vendor") == await call


async def test_waiters_do_not_start_anything_on_a_closed_source(world: World) -> None:
    """Rule 14: a waiter who would need another renewal after aclose() gets RuntimeError."""
    source = world.source()
    old = await source.token()
    world.vendor.refresh_tokens.clear()
    gate = world.vendor.gate("refresh")
    world.clock.advance(AGEING)
    await source.token()
    await gate.arrived.wait()
    joined = asyncio.ensure_future(source.renew(old))
    await settle()
    closing = asyncio.ensure_future(source.aclose())
    await settle()
    gate.open()
    with pytest.raises(RuntimeError, match="closed"):
        await joined
    await closing


async def test_cancelled_from_outside_is_an_error_not_a_cancellation(world: World) -> None:
    """Rule 3: whoever cancels the renewal's own task (a test harness, say) makes waiters fail, not look cancelled."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    (task,) = (task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth"))
    task.cancel()
    with pytest.raises(AuthServiceUnavailable, match="cancelled"):
        await call
    gate.open()
    world.clock.advance(1.0)
    await source.token()


async def test_logged_out_stays_logged_out_when_entered_again(world: World) -> None:
    """Rule 14: also after aclose(), and with a clock that was set back."""
    source = world.source()
    token = await source.token()
    await source.logout()
    await source.aclose()
    world.clock.step(-30.0)
    async with source:
        with pytest.raises(ReauthenticationRequired, match="logged out"):
            await source.renew(token)
        assert (await source.token()).generation > token.generation


async def _hang(account: str) -> Token | None:
    await asyncio.Event().wait()
    return None


async def test_look_at_a_hung_store_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9b: callers wait for a look for two seconds at most; aclose() waits for its end."""
    assert 2.0 == engine_settling.LOOK_WITHIN
    monkeypatch.setattr(engine_settling, "LOOK_WITHIN", 0.01)
    monkeypatch.setattr(vault, "PATIENCE", 0.05)
    world.vendor.script["login"].append(FAILING)
    store = CountingStore()
    source = world.source(store=store)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    store.load = _hang  # type: ignore[method-assign]  # a store that hangs from now on
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    await source.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth")]


async def test_close_from_another_loop(world: World) -> None:
    """Rule 15: aclose() from a second living loop raises, and closes nothing here."""
    source = world.source()
    token = await source.token()

    async def close() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await source.aclose()

    await asyncio.to_thread(asyncio.run, close())
    assert token is await source.token()
