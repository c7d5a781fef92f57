"""Pitfalls 13 to 19 of other clients: locks, event loops, threads, and waits without an end."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from _pitfalls import (
    AGEING,
    DEAD,
    DEVICES,
    PATIENCE,
    HungStore,
    client_of,
    errors_in,
    in_a_thread,
    in_another_thread,
    many,
    renewal_tasks,
    renewals_done,
)
from _vendor import JANE, World
from vendorauth import (
    Challenge,
    Credentials,
    FileTokenStore,
    LoggedOut,
    MemoryTokenStore,
    PasswordCredentials,
    ProGloveClient,
    RefreshPolicy,
    Renewed,
    Replayed,
    Request,
    RequestTimeout,
    Response,
    StoreLockTimeout,
    StoreTrouble,
    TokenEvent,
    TokenStore,
)
from vendorauth.engine import vault
from vendorauth.testing import FakeProGlove, ManualClock

SOON = 5.0
"""Seconds in which something is over that has an end of a fraction of a second."""


def store_of(kind: str, folder: Path) -> TokenStore:
    return MemoryTokenStore() if kind == "memory" else FileTokenStore(folder / "tokens")


@pytest.fixture
def _loops_are_collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_contention_in_one_loop_after_another(kind: str, tmp_path: Path) -> None:
    """Pitfall 13: A renewal that many wait for works in each event loop, also after one in an earlier loop."""
    world = World(store=store_of(kind, tmp_path))
    world.vendor.rotates = True

    async def credentials() -> Credentials:
        return JANE

    async def send(request: Request) -> Response:
        await asyncio.sleep(0)
        return await world.vendor.send(request)

    # Other credentials mean a renewal of their own, so that the store's lock is waited for as well.
    sources = [world.source(send=send), world.source(credentials, send=send)]

    async def contend() -> set[str]:
        return {token.value for token in await asyncio.gather(*(one.token() for one in sources for _ in range(20)))}

    for number in range(1, 4):
        assert {f"token-{number}"} == asyncio.run(contend())
        world.clock.advance(DEAD)
    assert (1, 2) == (world.vendor.count["login"], world.vendor.count["refresh"])
    assert [] == world.vendor.spent


@pytest.mark.usefixtures("_loops_are_collected")
def test_nothing_stays_of_a_closed_loop() -> None:
    """Pitfall 14: A client that is used in one event loop after another, as jobs do, keeps none of the closed ones."""
    world = World()
    source = world.source()
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def job() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        async with source:
            await asyncio.gather(*(source.token() for _ in range(5)))

    for _ in range(10):
        asyncio.run(job())
        world.clock.advance(DEAD)
    gc.collect()
    assert [] == [one for one in loops if one() is not None]
    assert (1, 9) == (world.vendor.count["login"], world.vendor.count["refresh"])


def test_loops_that_come_and_go_in_threads() -> None:
    """Pitfall 14: Threads in which event loops come and go at the same time share one login through one store."""
    world = World()
    values: list[str] = []

    async def job() -> None:
        async with world.source() as source:
            values.extend(token.value for token in await asyncio.gather(*(source.token() for _ in range(5))))

    def work() -> None:
        for _ in range(10):
            asyncio.run(job())

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert ["token-1"] * 200 == values
    assert 1 == world.vendor.count["login"]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_client_in_a_second_run(kind: str, tmp_path: Path) -> None:
    """Pitfall 15: A client works in the second asyncio.run as in the first, and goes on with the same login."""
    fake = FakeProGlove(rotation=True)
    with in_a_thread(fake):
        client = client_of(fake, store=store_of(kind, tmp_path))

        async def run() -> list[BaseException]:
            async with client:
                return errors_in(await many(client, 10))

        for refreshes in range(3):
            assert [] == asyncio.run(run())
            assert (1, refreshes, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)
            fake.expire_all()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("_loops_are_collected")
def test_client_that_nobody_closed_in_a_second_run() -> None:
    """Pitfall 15: A client that was not closed in the first asyncio.run works in the second all the same."""
    fake = FakeProGlove(rotation=True)
    with in_a_thread(fake):
        client = client_of(fake)
        for refreshes in range(3):
            assert [] == errors_in(asyncio.run(many(client, 10)))
            assert (1, refreshes, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)
            fake.expire_all()


@pytest.mark.parametrize("moment", ["fresh", "renewing"])
async def test_client_in_a_second_thread(moment: str) -> None:
    """Pitfall 16: A client that is used from the loop of a second thread raises RuntimeError at once, and serves on here."""
    async with FakeProGlove(rotation=True) as fake, client_of(fake) as client:
        await client.get(DEVICES)
        with fake.hold("refresh") as hold:
            if moment == "renewing":
                fake.expire_all()
            here = asyncio.ensure_future(client.get(DEVICES))
            if moment == "renewing":
                await hold.arrived()
            calls: list[Callable[[], Any]] = [
                lambda: client.get(DEVICES),
                client.tokens.token,
                client.login,
                client.logout,
                client.aclose,
            ]
            for call in calls:
                began = time.monotonic()
                error = await in_another_thread(call)
                assert SOON > time.monotonic() - began
                assert isinstance(error, RuntimeError)
                assert "belongs to another event loop" in str(error)
            assert here.done() is (moment == "fresh")
        await here
        assert (1, int(moment == "renewing")) == (fake.count.logins, fake.count.refreshes)


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_clients_of_several_threads(kind: str, tmp_path: Path) -> None:
    """Pitfall 16: Threads that each have a client of their own share one renewal through one store, and none deadlocks."""
    store = store_of(kind, tmp_path)
    async with FakeProGlove(rotation=True) as fake:

        async def work() -> list[BaseException]:
            async with client_of(fake, store=store) as client:
                return errors_in(await many(client, 5))

        for refreshes in range(2):
            began = time.monotonic()
            assert [[]] * 4 == await asyncio.gather(*(in_another_thread(work) for _ in range(4)))
            assert SOON > time.monotonic() - began
            assert (1, refreshes, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)
            fake.expire_all()


async def test_requests_run_side_by_side() -> None:
    """Pitfall 17: Requests run side by side, with a fresh token, while a renewal runs, and when they are sent again."""
    clock = ManualClock()
    async with (
        FakeProGlove(clock=clock.timestamp) as fake,
        client_of(fake, clock=clock) as client,
        asyncio.timeout(PATIENCE),
    ):
        await client.get(DEVICES)
        with fake.hold("api") as hold:
            fresh = asyncio.ensure_future(many(client, 10))
            await hold.arrived(10)
        clock.advance(AGEING)
        with fake.hold("refresh") as renewing, fake.hold("api") as hold:
            ageing = asyncio.ensure_future(many(client, 10))
            await renewing.arrived()
            await hold.arrived(10)
            hold.release()
            await ageing
        await renewals_done()
        fake.expire_all()
        with fake.hold("refresh") as renewing:
            again = asyncio.ensure_future(many(client, 10))
            await renewing.arrived()
            while fake.count.refused < 10:
                await asyncio.sleep(0)
            with fake.hold("api") as hold:
                renewing.release()
                await hold.arrived(10)
        assert [] == errors_in([*await fresh, *await ageing, *await again])
        assert (1, 2) == (fake.count.logins, fake.count.refreshes)


async def test_hook_that_calls_the_client() -> None:
    """Pitfall 18: A hook may start calls of the client, or raise, whatever it is told, because nothing waits for it."""
    told: list[type[TokenEvent]] = []
    calls: list[asyncio.Future[Any]] = []
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))

    def hook(event: TokenEvent) -> None:
        told.append(type(event))
        assert len(calls) < 20
        client.tokens.status()
        calls.append(asyncio.ensure_future(client.get(DEVICES)))
        raise LookupError

    async def calls_done() -> None:
        done = 0
        while done < len(calls):
            done = len(calls)
            assert [] == errors_in(await asyncio.gather(*calls, return_exceptions=True))

    async with FakeProGlove(rotation=True) as fake:
        client = client_of(fake, on_event=hook)
        async with client, asyncio.timeout(PATIENCE):
            await client.get(DEVICES)
            fake.expire_all()
            await client.get(DEVICES)
            await calls_done()
            await client.logout()
            await calls_done()
        assert {Renewed, Replayed, LoggedOut} == set(told)
        assert [LookupError] * len(told) == [type(one) for one in caught]
        assert (2, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


@pytest.mark.parametrize("inside", ["credentials", "on_challenge"])
@pytest.mark.parametrize("through", ["directly", "a task"])
async def test_call_from_inside_a_callable(inside: str, through: str) -> None:
    """Pitfall 18: A call from inside a credentials callable or on_challenge raises RuntimeError at once."""
    errors: list[BaseException] = []
    async with FakeProGlove() as fake:
        fake.require("SOFTWARE_TOKEN_MFA", code="123456")

        async def call_all() -> None:
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: client.get(DEVICES),
                client.tokens.token,
                client.login,
                client.logout,
                client.aclose,
            ]
            for call in calls:
                work = call() if through == "directly" else asyncio.ensure_future(call())
                errors.extend(errors_in(await asyncio.gather(work, return_exceptions=True)))

        async def credentials() -> Credentials:
            if inside == "credentials":
                await call_all()
            return PasswordCredentials(fake.username, fake.password)

        async def on_challenge(challenge: Challenge) -> dict[str, str]:
            if inside == "on_challenge":
                await call_all()
            return {"SOFTWARE_TOKEN_MFA_CODE": "123456"}

        client: ProGloveClient = client_of(fake, credentials, account="jane", on_challenge=on_challenge)
        async with client, asyncio.timeout(SOON):
            await client.get(DEVICES)
        assert [RuntimeError] * 5 == [type(one) for one in errors]
        assert {"called from inside on_challenge, a credentials callable or send, which this call would wait for"} == {
            str(one) for one in errors
        }
        assert 1 == fake.count.logins


@pytest.mark.parametrize("operation", ["load", "save"])
async def test_store_that_hangs(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 18: A store that never answers costs a bounded time, is reported, and the request is answered all the same."""
    monkeypatch.setattr(vault, "PATIENCE", 0.05)
    events: list[TokenEvent] = []
    began = time.monotonic()
    async with FakeProGlove() as fake:
        async with client_of(fake, store=HungStore(operation), on_event=events.append) as client:
            assert [] == errors_in(await many(client, 5))
        assert 1 == fake.count.logins
    assert SOON > time.monotonic() - began
    assert {operation} == {event.operation for event in events if isinstance(event, StoreTrouble)}


async def test_lock_that_somebody_keeps(tmp_path: Path) -> None:
    """Pitfall 18: Waiting for a lock that another program keeps has an end, of which the error tells; afterwards all works."""
    clock = ManualClock()
    store = FileTokenStore(tmp_path / "tokens", lock_timeout=0.1)
    async with FakeProGlove() as fake, client_of(fake, store=store, clock=clock) as client:
        async with FileTokenStore(tmp_path / "tokens").lock(client.tokens.flow.account):
            began = time.monotonic()
            errors = errors_in(await many(client, 5))
            assert SOON > time.monotonic() - began
            assert [StoreLockTimeout] * 5 == [type(one) for one in errors]
        clock.advance(1.0)
        assert [] == errors_in(await many(client, 5))


async def test_callable_that_hangs() -> None:
    """Pitfall 18: A secret manager that never answers costs one deadline, and all who wait are told."""

    async def credentials() -> Credentials:
        await asyncio.Event().wait()
        return JANE

    async with FakeProGlove() as fake:
        policy = RefreshPolicy(deadline=0.1)
        async with client_of(fake, credentials, account="jane", policy=policy) as client:
            began = time.monotonic()
            errors = errors_in(await many(client, 5))
            assert SOON > time.monotonic() - began
        assert [RequestTimeout] * 5 == [type(one) for one in errors]


@pytest.mark.parametrize("step", ["auth-information", "login", "refresh"])
async def test_vendor_that_hangs(step: Any) -> None:
    """Pitfall 19: A vendor that never answers a renewal costs one deadline: its request is aborted, all who wait are told."""
    clock, deadline = ManualClock(), 0.2
    async with (
        FakeProGlove(clock=clock.timestamp) as fake,
        client_of(fake, clock=clock, policy=RefreshPolicy(deadline=deadline)) as client,
    ):
        if step == "refresh":
            await client.get(DEVICES)
            clock.advance(DEAD)
        with fake.hold(step) as hold:
            began = time.monotonic()
            results = await many(client, 20)
            assert deadline <= time.monotonic() - began < SOON
            assert [RequestTimeout] * 20 == [type(one) for one in results]
            assert [] == renewal_tasks()
            async with asyncio.timeout(SOON):
                while fake.connections:
                    await asyncio.sleep(0.001)
            tries = hold.count
            assert [RequestTimeout] * 20 == [type(one) for one in await many(client, 20)]
            assert tries == hold.count == (2 if step == "refresh" else 1)
        clock.advance(1.0)
        assert [] == errors_in(await many(client, 20))
