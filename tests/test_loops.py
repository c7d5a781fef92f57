"""Event loops that come and go, and calls from the wrong one (DESIGN, rule 15)."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from _api import serve
from _keeping import rolled
from _loops import run_script
from _pitfalls import DEVICES, client_of, in_a_thread, in_another_thread
from _vendor import World
from vendorauth import Challenge, FileTokenStore, MemoryTokenStore, StoreLockTimeout, Token
from vendorauth.testing import FakeProGlove

ELSEWHERE = "belongs to another event loop, which still lives"
MADE_AT_IMPORT = World().source()
"""A token source made where there is no loop at all."""


@pytest.fixture
def fake() -> Iterator[FakeProGlove]:
    """Be a vendor that outlives the test's loops."""
    fake = FakeProGlove(rotation=True)
    with in_a_thread(fake):
        yield fake


def collected() -> list[str]:
    """Collect what is left over, and tell of what that warned."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        gc.collect()
    return [str(one.message) for one in seen]


@pytest.mark.parametrize("call", ["stream", "answer", "renew", "absorb"])
@pytest.mark.parametrize("age", [0.0, 3300.0, 3601.0])
async def test_calls_from_another_loop(call: str, age: float) -> None:
    """Rule 15: every call that could change something raises from a second loop, whatever the token's age, and changes nothing."""
    world = World()
    source = world.source()
    async with serve() as api, api.client() as client:
        await client.get("/x")
        token = await source.token()
        world.clock.advance(age)

        async def absorb() -> None:
            source.absorb(token, rolled("stolen"))

        challenge = Challenge(name="CODE", account="jane@vendor")
        calls: dict[str, Callable[[], Any]] = {
            "stream": lambda: client.stream("GET", "/x").__aenter__(),
            "answer": lambda: source.answer(challenge, {"CODE": "123456"}),
            "renew": lambda: source.renew(token),
            "absorb": absorb,
        }
        error = await in_another_thread(calls[call])
        assert isinstance(error, RuntimeError)
        assert ELSEWHERE in str(error)
        assert token is source.peek()
        assert (1, 1) == (len(api.seen), world.vendor.count["issued"])


async def test_looking_from_anywhere() -> None:
    """status(), peek() and repr() work from another loop and from a thread without one; a fresh token goes on serving."""
    source = World().source()
    token = await source.token()
    seen: list[Any] = []

    def look() -> None:
        seen.append((source.peek(), source.status().state, "fresh" in repr(source)))

    async def look_in_a_loop() -> None:
        look()

    await asyncio.to_thread(look)
    await in_another_thread(look_in_a_loop)
    assert [(token, "fresh", True)] * 2 == seen
    assert token is await source.token()


def test_without_any_loop() -> None:
    """A client, its status and its repr need no loop; nor does the end of one that was never used."""
    source = World().source()
    assert (None, "none") == (source.peek(), source.status().state)
    with pytest.raises(RuntimeError):
        source.token().send(None)
    assert 1 == asyncio.run(made_at_import())
    assert 1 == asyncio.run(made_at_import())


async def made_at_import() -> int:
    """Use what a module made when it was imported."""
    await asyncio.gather(*(MADE_AT_IMPORT.token() for _ in range(10)))
    held = MADE_AT_IMPORT.peek()
    assert held is not None
    return int(held.value.removeprefix("token-"))


async def test_owners_loop_takes_work_from_threads() -> None:
    """Rule 15: threads hand their calls to the owner's loop with run_coroutine_threadsafe, and share one renewal there."""
    loop = asyncio.get_running_loop()
    async with FakeProGlove() as fake, client_of(fake) as client:

        def work() -> Any:
            return asyncio.run_coroutine_threadsafe(client.get(DEVICES), loop).result(20)

        answers = await asyncio.gather(*(asyncio.to_thread(work) for _ in range(4)))
        assert 4 == len(answers)
        assert 1 == fake.count.logins


def test_runner_is_used_again(fake: FakeProGlove, tmp_path: Path) -> None:
    """A Runner runs call after call of one client, which is closed by one of them; nothing warns."""
    client = client_of(fake, store=FileTokenStore(tmp_path))
    with asyncio.Runner() as runner:
        for _ in range(3):
            runner.run(client.get(DEVICES))
        runner.run(client.aclose())
    with asyncio.Runner() as runner:
        runner.run(client.__aenter__())
        runner.run(client.get(DEVICES))
        runner.run(client.aclose())
    assert [] == collected()
    assert (1, 4) == (fake.count.logins, fake.count.api)


def test_connections_of_a_dead_loop(fake: FakeProGlove, tmp_path: Path) -> None:
    """Rule 15: a later run opens connections of its own, and uses none of the run before."""
    client = client_of(fake, store=FileTokenStore(tmp_path))
    sessions: list[Any] = []

    async def run() -> None:
        async with client:
            await client.get(DEVICES)
            sessions.append(client._sessions._session)

    for _ in range(3):
        asyncio.run(run())
    assert 3 == len({id(one) for one in sessions})
    assert all(one.closed for one in sessions)
    sessions.clear()
    assert [] == collected()
    assert 1 == fake.count.logins


def test_lock_of_a_closed_loop(tmp_path: Path) -> None:
    """Rule 15: a file lock that a closed loop still holds is free for the next one, at once; a living loop's is not."""
    store = FileTokenStore(tmp_path, lock_timeout=0.05)
    loop = asyncio.new_event_loop()
    lock = store.lock("a")

    async def take() -> None:
        async with store.lock("a"):
            pass

    loop.run_until_complete(lock.__aenter__())
    with pytest.raises(StoreLockTimeout):
        asyncio.run(take())
    loop.close()
    asyncio.run(take())
    del lock


LEFT_BEHIND = """
import asyncio, sys
from pathlib import Path
from _vendor import World, settle
from vendorauth import FileTokenStore, MemoryTokenStore

ACCOUNT = "jane@vendor"

def leave(work):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work)
    loop.close()
    return loop

async def during_a_renewal(world, source):
    await source.token()
    world.clock.advance(3601.0)
    gate = world.vendor.gate("refresh")
    asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    world.vendor.gates.clear()

async def while_it_waits_for_the_lock(world, source):
    await source.token()
    world.clock.advance(3601.0)
    kept.append(world.store.lock(ACCOUNT))
    await kept[-1].__aenter__()
    asyncio.ensure_future(source.token())
    await settle()
    await asyncio.sleep(0.02)

async def later(world, source):
    async with asyncio.timeout(5), source:
        assert "token-2" == (await source.token()).value, world.vendor.count
    async with asyncio.timeout(5), world.store.lock(ACCOUNT):
        pass

folder, kept = Path(sys.argv[1]), []
for case in (during_a_renewal, while_it_waits_for_the_lock):
    for store in (MemoryTokenStore(), FileTokenStore(folder / case.__name__)):
        world = World(store=store)
        source = world.source()
        kept.append(leave(case(world, source)))
        asyncio.run(later(world, source))
        assert 1 == world.vendor.count["login"]
        print(case.__name__, type(store).__name__, flush=True)
"""


async def test_loop_closed_with_work_left_behind(tmp_path: Path) -> None:
    """
    Rules 3, 15: a loop that is closed in the middle of a renewal, or of a wait for the lock, keeps no later one waiting.

    In a process of its own, because asyncio complains of such tasks whenever they happen to be collected.
    """
    told, complained = await run_script(LEFT_BEHIND, str(tmp_path))
    assert 4 == len(told)
    assert "different Context" not in complained


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_threads_with_a_client_each(kind: str, tmp_path: Path) -> None:
    """Rules 2, 5: eight threads with a loop and a source each, over one store: one login, in time."""
    world = World(store=MemoryTokenStore() if kind == "memory" else FileTokenStore(tmp_path))
    world.vendor.rotates = True
    values: list[set[str]] = []

    async def work() -> None:
        async with world.source(clock=None) as source:
            values.append({token.value for token in await asyncio.gather(*(source.token() for _ in range(20)))})

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert [{"token-1"}] * 8 == values
    assert 1 == world.vendor.count["issued"]


async def test_two_threads_use_one_source_at_once() -> None:
    """Pitfall 16, rule 15: whoever comes first has it; the other gets RuntimeError, and nobody waits for ever."""
    for _ in range(20):
        source = World().source()
        start, results = threading.Barrier(2), list[Any]()

        async def use(source: Any = source, start: Any = start) -> Any:
            start.wait(10)
            return await asyncio.gather(source.token(), return_exceptions=True)

        async def both(use: Callable[[], Awaitable[Any]] = use, results: list[Any] = results) -> None:
            results.extend(await asyncio.gather(in_another_thread(use), in_another_thread(use)))  # type: ignore[arg-type]

        await both()
        assert 2 == len(results)
        for (one,) in results:
            assert isinstance(one, Token) or (isinstance(one, RuntimeError) and ELSEWHERE in str(one))
        assert any(isinstance(one, Token) for (one,) in results)
