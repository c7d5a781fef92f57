"""Processes that fork, as gunicorn's and Celery's do, with a client that the parent made (pitfall 47)."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
from pathlib import Path

import pytest

from _loops import run_script
from _pitfalls import DEVICES, client_of
from _vendor import World
from vendorauth import FileTokenStore, MemoryTokenStore
from vendorauth.engine import sessions
from vendorauth.stores import memory
from vendorauth.testing import FakeProGlove

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PREAMBLE = """
import asyncio, json, logging, os, random, signal, sys, threading, traceback, warnings
from contextlib import suppress
from vendorauth import FileTokenStore, MemoryTokenStore, PasswordCredentials, ProGloveClient, StoreLockTimeout

# Python 3.12 warns of every fork in a process that has threads, which a store's are.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
logging.disable()
vendor, folder = json.loads(sys.argv[1]), sys.argv[2]
DEVICES = "/{customer_id}/devices"

def client_of(store):
    return ProGloveClient(
        vendor["base_url"],
        vendor["customer_id"],
        PasswordCredentials(vendor["username"], vendor["password"]),
        cognito_url=vendor["cognito_url"],
        refresh_with="get-tokens",
        store=store,
    )

async def use(client):
    async with asyncio.timeout(10):
        await asyncio.gather(*(client.get(DEVICES) for _ in range(5)))
    return client.tokens.peek().generation

async def use_and_close(client):
    async with client:
        return await use(client)

def ports(client):
    session = client._sessions._session
    conns = [] if session is None or session.closed else session.connector._conns.values()
    return sorted(one[0].transport.get_extra_info("sockname")[1] for pool in conns for one in pool)

def children(count, work):
    reading, writing = os.pipe()
    for _ in range(count):
        if os.fork() == 0:
            signal.alarm(20)
            try:
                os.write(writing, json.dumps(work()).encode() + b"\\n")
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
    os.close(writing)
    ends = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(count)]
    assert [0] * count == ends, ends
    with os.fdopen(reading) as file:
        return [json.loads(line) for line in file]
"""

PREFORK = """
client = client_of(FileTokenStore(folder))
told = children(4, lambda: (asyncio.run(use_and_close(client)), random.random(), client.tokens._setup.draw()))
generations, numbers, draws = zip(*told)
assert 1 == len(set(generations)), generations
assert 8 == len({*numbers, *draws}), told

generation = asyncio.run(use_and_close(client))
assert [generation] * 4 == children(4, lambda: asyncio.run(use_and_close(client)))
assert generation == asyncio.run(use_and_close(client))
"""

LOOP_ALIVE = """
for store in (FileTokenStore(folder), MemoryTokenStore()):
    client = client_of(store)
    loop = asyncio.new_event_loop()
    generation = loop.run_until_complete(use(client))
    ours = ports(client)
    assert ours

    async def in_a_child(client=client):
        return [await use(client), ports(client)]

    def and_close(loop=loop, client=client, work=in_a_child):
        result = loop.run_until_complete(work())
        loop.run_until_complete(client.aclose())
        return result

    told = children(4, lambda: asyncio.run(in_a_child()))
    # One after the other, because they share what the loop waits with.
    told += [one for _ in range(2) for one in children(1, and_close)]
    for generation_there, theirs in told:
        assert generation == generation_there
        assert theirs and not {*theirs} & {*ours}, (theirs, ours)
    assert generation == loop.run_until_complete(use(client))
    assert {*ours} & {*ports(client)}
    loop.run_until_complete(client.aclose())
    loop.close()
"""

LOCK_HELD = """
async def other_holds(store):
    with suppress(StoreLockTimeout):
        async with store.lock(client.tokens.flow.account):
            return False
    return True

def login():
    with suppress(StoreLockTimeout):
        asyncio.run(client.login())
        return "logged in"
    return "locked out"

async def fork_inside():
    async with client.tokens._setup.vault.store.lock(client.tokens.flow.account):
        done = children(2, login)
        if isinstance(store, FileTokenStore):
            assert await other_holds(FileTokenStore(folder, lock_timeout=0))
        return done

for store, expected in (FileTokenStore(folder, lock_timeout=0.2), "locked out"), (MemoryTokenStore(), "logged in"):
    client = client_of(store)
    assert [expected] * 2 == asyncio.run(fork_inside())
    asyncio.run(use_and_close(client))
"""

FROM_A_THREAD = """
client = client_of(FileTokenStore(folder))
loop = asyncio.new_event_loop()
thread = threading.Thread(target=loop.run_forever)
thread.start()
generation = asyncio.run_coroutine_threadsafe(use(client), loop).result(20)
assert [generation] * 4 == children(4, lambda: asyncio.run(use(client)))
assert generation == asyncio.run_coroutine_threadsafe(use_and_close(client), loop).result(20)
loop.call_soon_threadsafe(loop.stop)
thread.join(20)
loop.close()
"""

SPAWNED = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import _loops

vendor["store"] = FileTokenStore(folder)
generation = asyncio.run(use_and_close(client_of(vendor["store"])))
with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
    assert [generation] == [*pool.map(_loops.spawned, [vendor])]
"""


@forking
@pytest.mark.parametrize(
    ("script", "logins"),
    [
        pytest.param(PREFORK, 1, id="made before, then used before"),
        pytest.param(LOOP_ALIVE, 2, id="used before, in a loop that lives"),
        pytest.param(LOCK_HELD, 4, id="forked while the lock is held"),
        pytest.param(FROM_A_THREAD, 1, id="forked while a loop runs in another thread"),
        pytest.param(SPAWNED, 1, id="spawned"),
    ],
)
async def test_children(script: str, logins: int, tmp_path: Path) -> None:
    """
    Pitfall 47: children work, with one login among them, connections of their own, and random numbers of their own.

    They take no lock from the parent, and leave its connections alone. With a memory store each is on its own.
    """
    async with FakeProGlove(rotation=True) as fake:
        names = ("base_url", "customer_id", "username", "password", "cognito_url")
        vendor = json.dumps({name: getattr(fake, name) for name in names})
        _, complained = await run_script(PREAMBLE + script, vendor, str(tmp_path / "tokens"))
        assert "" == complained
        assert logins == fake.count.logins
        assert (0, 0, 0) == (fake.count.refreshes, fake.count.refused, fake.count.reuse)


async def test_inherited_state_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 47: in a child, the same loop gets a state of its own; what was inherited is neither used nor collected."""
    world = World()
    source = world.source()
    token = await source.token()
    inherited = source._account
    monkeypatch.setattr(os, "getpid", lambda: -1)
    world.clock.advance(3601.0)
    assert (await source.token()).is_newer_than(token)
    assert inherited is not source._account
    assert token is inherited.token
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_inherited_connections_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 47: in a child, neither a request, nor the end of a client, uses or closes what the parent has open."""
    async with FakeProGlove() as fake:
        pid = os.getpid()
        clients = [client_of(fake), client_of(fake)]
        for client in clients:
            await client.get(DEVICES)
        inherited = [client._sessions._session for client in clients]
        monkeypatch.setattr(os, "getpid", lambda: -1)
        await clients[0].get(DEVICES)
        assert clients[0]._sessions._session not in inherited
        for client in clients:
            await client.aclose()
        assert inherited == sessions._inherited[-2:]
        monkeypatch.setattr(os, "getpid", lambda: pid)
        for one in inherited:
            assert one is not None
            assert not one.closed
            await one.close()
        del sessions._inherited[-2:]


async def test_inherited_memory_store() -> None:
    """Pitfall 47: a memory store in a child has the parent's tokens, and nobody's locks."""
    store = MemoryTokenStore()
    token = await World(store=store).source().token()
    async with store.lock("a"):
        memory._after_fork()
        async with asyncio.timeout(5), store.lock("a"):
            pass
    assert token == await store.load("jane@vendor")


def test_store_is_copied_without_its_locks(tmp_path: Path) -> None:
    """Pitfall 47: a file store can be pickled while a lock is held, as for a spawned process, which holds none."""
    store = FileTokenStore(tmp_path / "tokens")

    async def hold() -> None:
        async with store.lock("a"):
            for other in (pickle.loads(pickle.dumps(store)), copy.copy(store)):
                assert repr(store) == repr(other)
                assert isinstance(other, FileTokenStore)
                assert 0 == len(other._files._held)

    asyncio.run(hold())
