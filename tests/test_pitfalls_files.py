"""Files, and what may not block the event loop, where other clients failed: pitfalls 29 to 33."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from filelock import FileLock

from vendorauth import (
    FileTokenStore,
    InvalidCredentials,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    StoreTrouble,
    TokenEvent,
)
from vendorauth.stores._files import RecordFile
from vendorauth.stores._names import stored_name
from vendorauth.testing import FakeProGlove, FakeProtogrid

DEVICES = "/{customer_id}/devices"
APPS = "/api/v2/apps"

# Renews the stored token in one child after the other, each killed at its next call of the operating system for
# the store, until one gets through; then in one whose file may grow to 100 bytes only. Tells each record's generation.
DYING = """
import asyncio, os, resource, signal, sys, threading
from pathlib import Path
from vendorauth import FileTokenStore, PasswordCredentials, ProGloveClient
from vendorauth.stores._records import read

base_url, cognito_url, customer, username, password, folder = sys.argv[1:]
CALLS = ("open", "fdopen", "fsync", "replace", "unlink", "lstat", "fstat", "close")

async def renew():
    store = FileTokenStore(folder)
    credentials = PasswordCredentials(username, password)
    async with ProGloveClient(base_url, customer, credentials, cognito_url=cognito_url, store=store) as client:
        await client.tokens.renew(await client.tokens.token())

def die_at(step):
    left = [step]
    def counting(function):
        def count(*arguments, **options):
            if threading.current_thread().name.startswith("vendorauth-store"):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return count
    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))

def die_when_the_file_grows():
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

def killed_by(prepare):
    child = os.fork()
    if child == 0:
        prepare()
        asyncio.run(renew())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    (record,) = Path(folder).glob("*.json")
    print(read(record.read_bytes()).generation)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

assert signal.SIGXFSZ == killed_by(die_when_the_file_grows)
steps = 1
while killed_by(lambda: die_at(steps)):
    steps += 1
    assert steps < 200
"""

# Four children save as fast as they can; their parent reads the record all the while.
CROWDED = """
import asyncio, os, sys
from contextlib import suppress
from datetime import datetime, UTC
from pathlib import Path
from vendorauth import FileTokenStore, StoreConflict, Token
from vendorauth.stores._records import read

folder = Path(sys.argv[1])

async def save(writer):
    store = FileTokenStore(folder)
    for turn in [*range(1, 26), 0]:
        value = str(writer) * (1 + 997 * (turn % 7))
        token = Token(value=value, issued_at=datetime.now(UTC), generation=turn)
        with suppress(StoreConflict):
            await store.save("a", token)

living = set()
for writer in range(4):
    child = os.fork()
    if child == 0:
        asyncio.run(save(writer))
        os._exit(0)
    living.add(child)
reads = 0
while living:
    child, status = os.waitpid(-1, os.WNOHANG)
    assert status == 0
    living.discard(child)
    for record in folder.glob("*.json"):
        value = read(record.read_bytes()).value
        assert len(value) % 997 == 1 and {value[0]} == set(value)
        reads += 1
print(reads)
"""

RENEWING = """
import asyncio, sys
from vendorauth import FileTokenStore, PasswordCredentials, ProGloveClient

base_url, cognito_url, customer, username, password, folder = sys.argv[1:]

async def main():
    store = FileTokenStore(folder)
    credentials = PasswordCredentials(username, password)
    async with ProGloveClient(base_url, customer, credentials, cognito_url=cognito_url, store=store) as client:
        await client.get("/{customer_id}/devices")

asyncio.run(main())
"""

# Fails at anything that the interpreter reports of the event loop's thread: a file, a process, a look at a folder.
WATCHED = """
import asyncio, sys, threading
from vendorauth import FileTokenStore, PasswordCredentials, ProGloveClient, ProtogridClient
from vendorauth.testing import FakeProGlove, FakeProtogrid

SLOW = ("open", "os.", "shutil.", "glob.", "pathlib.", "subprocess.", "socket.getaddrinfo", "time.sleep", "import")
seen, watching = [], False

def watch(event, arguments):
    if watching and event.startswith(SLOW) and threading.current_thread() is threading.main_thread():
        seen.append((event, str(arguments[0])))

async def use(fake, client, path):
    async with client:
        await client.get(path)
        fake.expire_all()
        await client.get(path)
        await client.logout()

async def main():
    global watching
    async with FakeProGlove() as one, FakeProtogrid() as other:
        known = PasswordCredentials(one.username, one.password)
        store = FileTokenStore(sys.argv[1])
        proglove = ProGloveClient(one.base_url, one.customer_id, known, cognito_url=one.cognito_url, store=store)
        protogrid = ProtogridClient(other.base_url, known, store=store)
        watching = True
        await use(one, proglove, "/{customer_id}/devices")
        await use(other, protogrid, "/api/v2/apps")
        watching = False

modules = set(sys.modules)
sys.addaudithook(watch)
asyncio.run(main())
assert not seen, seen
assert not {"boto3", "botocore", "requests", "httpx"} & set(sys.modules)
assert not [name for name in set(sys.modules) - modules if name.startswith("vendorauth")]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "tokens"
    folder.mkdir(0o700)
    return folder


@pytest.fixture
def _nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx(scanned_modules=["vendorauth", "filelock"]):
        yield


def client_of(fake: FakeProGlove, home: Path, password: str | None = None, **options: Any) -> ProGloveClient:
    known = PasswordCredentials(fake.username, password or fake.password)
    given = {"cognito_url": fake.cognito_url, "store": FileTokenStore(home), **options}
    return ProGloveClient(fake.base_url, fake.customer_id, known, **given)


def found(folder: Path, pattern: str = "*") -> set[Path]:
    return set(folder.glob(pattern))


def arguments_of(fake: FakeProGlove, home: Path) -> list[str]:
    return [fake.base_url, fake.cognito_url, fake.customer_id, fake.username, fake.password, str(home)]


async def run(code: str, *arguments: str) -> list[str]:
    """Run *code* in a process of its own to its good end; give the lines that it prints."""
    command = (sys.executable, "-W", "ignore", "-c", code, *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    said, _ = await process.communicate()
    assert 0 == process.returncode
    return said.decode().split()


async def test_killed_at_each_step_of_a_save(home: Path) -> None:
    """
    Pitfall 29: A process that is killed at any step of saving a token leaves the old one or the new one, whole.

    The next process goes on with it, without a login.
    """
    async with FakeProGlove() as fake:
        async with client_of(fake, home) as client:
            await client.get(DEVICES)
        generations = await run(DYING, *arguments_of(fake, home))
        assert 20 < len(generations)
        assert sorted(generations) == generations
        assert 3 < len(set(generations)) < len(generations) - 20
        fake.expire_all()
        async with client_of(fake, home) as client:
            await client.get(DEVICES)
        assert 1 == fake.count.logins


async def test_writers_at_the_same_time(home: Path) -> None:
    """Pitfall 29: Processes that save at the same time never mix their records: readers find one of them, whole."""
    (reads,) = await run(CROWDED, str(home))
    assert 0 < int(reads)
    stored = await FileTokenStore(home).load("a")
    assert stored is not None
    assert 25 == stored.generation
    files = RecordFile(home, stored_name("a"))
    assert {files.record, files.save_lock} == found(home)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record[: len(record) // 2],
        lambda record: record + record,
        lambda record: record[:-9] + record,
        lambda record: b"",
        lambda record: bytes(len(record)),
    ],
    ids=["half", "twice", "overwritten", "empty", "zeros"],
)
async def test_a_spoiled_record(home: Path, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture) -> None:
    """
    Pitfall 30: A token file that can't be read is moved aside with a warning and an event, and the client logs in.

    The next start finds everything in order.
    """
    events: list[TokenEvent] = []
    async with FakeProGlove() as fake:
        async with client_of(fake, home) as client:
            await client.get(DEVICES)
        (record,) = found(home, "*.json")
        record.write_bytes(spoiled := spoil(record.read_bytes()))
        for _ in range(2):
            async with client_of(fake, home, on_event=events.append) as client:
                await client.get(DEVICES)
        assert 2 == fake.count.logins
    (corrupt,) = found(home, "*.corrupt")
    assert spoiled == corrupt.read_bytes()
    assert 1 == len([event for event in events if isinstance(event, StoreTrouble)])
    assert 1 == len([one for one in caplog.records if one.levelno == logging.WARNING and "moved" in one.message])


async def test_a_lock_of_a_killed_process(home: Path) -> None:
    """
    Pitfall 31: The lock of a process that is killed in the middle of a renewal is free at once.

    The file that it leaves behind locks nobody out and never has to be removed.
    """
    async with FakeProGlove() as fake, client_of(fake, home) as client:
        await client.get(DEVICES)
        fake.expire_all()
        hold = fake.hold("refresh", limit=1)
        command = (sys.executable, "-c", RENEWING, *arguments_of(fake, home))
        process = await asyncio.create_subprocess_exec(*command)
        await hold.arrived()
        locks = found(home, "*.lock")
        process.kill()
        await process.wait()
        hold.release()
        async with asyncio.timeout(5):
            await client.get(DEVICES)
        assert locks
        assert locks <= found(home, "*.lock")
        assert (1, 2) == (fake.count.logins, fake.count.refreshes)


async def test_no_file_is_touched_in_the_loop(home: Path) -> None:
    """
    Pitfall 32: Logging in, renewing, calling and storing open no file and import no module in the event loop's thread.

    Neither boto3 nor botocore is ever loaded.
    """
    assert [] == await run(WATCHED, str(home))


@pytest.mark.usefixtures("_nothing_blocks")
@pytest.mark.parametrize("scheme", ["cookie", "headers", "basic"])
async def test_nothing_blocks(home: Path, scheme: Any) -> None:
    """
    Pitfall 33: No call waits for a lock, a thread or a socket in a way that stops the event loop.

    This holds whether a login succeeds, is refused, or is forgotten.
    """
    async with FakeProGlove() as fake, FakeProtogrid() as grid:
        known = PasswordCredentials(grid.username, grid.password)
        async with (
            client_of(fake, home, strict_store=True) as proglove,
            client_of(fake, home, "wrong", strict_store=True) as refused,
            ProtogridClient(
                grid.base_url, known, scheme=scheme, store=FileTokenStore(home), strict_store=True
            ) as protogrid,
        ):
            for _ in range(2):
                await asyncio.gather(*(proglove.get(DEVICES) for _ in range(5)))
                await asyncio.gather(*(protogrid.get(APPS) for _ in range(5)))
                fake.expire_all()
                grid.expire_all()
            with pytest.raises(InvalidCredentials):
                await refused.login()
            await proglove.logout()
            await protogrid.logout()


@pytest.mark.usefixtures("_nothing_blocks")
async def test_others_go_on_while_a_lock_is_held(home: Path) -> None:
    """Pitfall 33: While a client waits for a lock that another process holds, everything else in its event loop goes on."""
    async with FakeProGlove() as fake, client_of(fake, home, strict_store=True) as waiting, FakeProtogrid() as grid:
        lock = RecordFile(home, stored_name(waiting.tokens.flow.account)).lock
        held = FileLock(lock, thread_local=False)
        await asyncio.to_thread(held.acquire)
        try:
            call = asyncio.create_task(waiting.get(DEVICES))
            async with ProtogridClient(grid.base_url, PasswordCredentials(grid.username, grid.password)) as other:
                for _ in range(20):
                    await other.get(APPS)
            assert (False, 0, 20) == (call.done(), fake.count.logins, grid.count.api)
        finally:
            await asyncio.to_thread(held.release)
        await call
        assert 1 == fake.count.logins


async def test_slow_hashes_are_made_in_a_thread(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 33: What is slow on purpose, the hash under which a refused password is remembered, is made in a thread."""
    threads: list[threading.Thread] = []
    scrypt = hashlib.scrypt

    def noting(*arguments: Any, **options: Any) -> bytes:
        threads.append(threading.current_thread())
        return scrypt(*arguments, **options)

    monkeypatch.setattr(hashlib, "scrypt", noting)
    async with FakeProGlove() as fake:
        for _ in range(2):
            async with client_of(fake, home, "wrong") as client:
                with pytest.raises(InvalidCredentials):
                    await client.get(DEVICES)
    assert 1 == fake.count.password_attempts
    assert 2 <= len(threads)
    assert threading.main_thread() not in threads
