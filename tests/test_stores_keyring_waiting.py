"""Keychains that ask a person, other processes, and newer releases: whom the keychain's store waits for."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import keyring
import keyring.core
import pytest

from _keyring import FolderKeyring, HangingKeyring
from vendorauth.engine import vault
from vendorauth.engine.vault import Vault
from vendorauth.errors import StoreLockTimeout, StoreUnavailable, StoreUnreadable
from vendorauth.events import StoreTrouble, TokenEvent
from vendorauth.stores import KeyringTokenStore, _locks
from vendorauth.stores._names import stored_name
from vendorauth.stores._reports import listener
from vendorauth.tokens import Token

ACCOUNT = "jane"
TOKEN = Token(value="s3cret", issued_at=datetime(2026, 1, 1, tzinfo=UTC), generation=1)
NEWER = attrs.evolve(TOKEN, generation=2)

# Holds the lock until it is told to end.
HOLDING = """
import asyncio, sys
from vendorauth.stores import KeyringTokenStore

async def hold():
    async with KeyringTokenStore(lock_directory=sys.argv[1]).lock("jane"):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""

# Ends, although a thread of it still waits for a person.
LEAVING = """
import asyncio, sys, threading
import keyring, keyring.backend
from vendorauth.stores import KeyringTokenStore

class Hanging(keyring.backend.KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        loop.call_soon_threadsafe(asked.set)
        threading.Event().wait()
    set_password = get_password

async def leave():
    global loop, asked
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    keyring.set_keyring(Hanging())
    asyncio.create_task(KeyringTokenStore(lock_directory=sys.argv[1]).load("jane"))
    await asked.wait()

asyncio.run(leave())
print("left", flush=True)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyringTokenStore:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)  # put back at the end
    keyring.set_keyring(FolderKeyring(tmp_path / "keys"))
    return KeyringTokenStore(lock_directory=tmp_path / "locks", lock_timeout=0.05)


@asynccontextmanager
async def hanging(folder: Path) -> AsyncGenerator[HangingKeyring]:
    """Let the keychain ask a person; in the end the person is back and all threads have ended."""
    keyring.set_keyring(backend := HangingKeyring(folder / "keys"))
    try:
        yield backend
    finally:
        backend.back.set()
        for thread in backend.asked:
            await asyncio.to_thread(thread.join, 30)


async def asked(backend: HangingKeyring, times: int = 1) -> None:
    """Wait until the keychain was asked so many times."""
    async with asyncio.timeout(30):
        while len(backend.asked) < times:
            await asyncio.sleep(0.001)


async def test_the_loop_goes_on(store: KeyringTokenStore, tmp_path: Path) -> None:
    """Pitfall 33: A keychain that hangs does so in a thread with a name of ours, and keeps the event loop from nothing."""
    async with hanging(tmp_path) as backend:
        call = asyncio.create_task(store.load(ACCOUNT))
        await asked(backend)
        turns = 0
        for turns in range(1000):  # noqa: B007
            await asyncio.sleep(0)
        assert (999, False) == (turns, call.done())
        assert threading.main_thread() not in backend.asked
        assert {"vendorauth-keyring"} == {thread.name for thread in backend.asked}
        backend.back.set()
        assert await call is None


@pytest.mark.parametrize("operation", ["load", "save", "delete"])
async def test_a_keychain_that_never_answers(
    store: KeyringTokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Pitfall 18: The engine leaves a keychain that does not answer, whatever was asked: StoreUnavailable, and an event."""
    monkeypatch.setattr(vault, "PATIENCE", 0.05)
    events = list[TokenEvent]()
    seam = Vault(store, ACCOUNT, events.append)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "load": seam.load,
        "delete": seam.delete,
        "save": partial(seam.save, TOKEN),
    }
    async with hanging(tmp_path):
        with pytest.raises(StoreUnavailable, match=f"^the token store's {operation} failed: TimeoutError$"):
            await calls[operation]()
        assert [operation] == [event.operation for event in events if isinstance(event, StoreTrouble)]


async def test_locks_are_had_all_the_same(store: KeyringTokenStore, tmp_path: Path) -> None:
    """Rule 4: However many accounts wait for a hanging keychain, none waits for its lock: that has threads of its own."""
    async with hanging(tmp_path) as backend:
        calls = [asyncio.create_task(store.load(f"{ACCOUNT} {number}")) for number in range(12)]
        await asked(backend, len(calls))
        async with asyncio.timeout(20), store.lock(ACCOUNT), store.lock(f"{ACCOUNT} 1"):
            assert {False} == {call.done() for call in calls}
        backend.back.set()
        assert [None] * 12 == await asyncio.gather(*calls)


async def test_what_was_begun_is_ended(
    store: KeyringTokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Pitfall 11: A cancelled save ends at once; its thread goes on, and until it has ended nobody else touches the entries.

    What it saves late replaces nothing that is newer.
    """
    monkeypatch.setattr(_locks, "_SAVE_SECONDS", 0.05)
    async with hanging(tmp_path) as backend:
        call = asyncio.create_task(store.save(ACCOUNT, TOKEN))
        await asked(backend)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(call, 20)
        with pytest.raises(StoreLockTimeout, match=r"was held by somebody else for 0\.05 seconds"):
            await store.save(ACCOUNT, NEWER)
        assert {} == backend.entries()
        assert 1 == len(backend.asked)
    assert TOKEN == await store.load(ACCOUNT)
    await store.save(ACCOUNT, NEWER)
    assert NEWER == await store.load(ACCOUNT)


def test_it_keeps_no_process_alive(tmp_path: Path) -> None:
    """A process whose keychain hangs can end: the loop does not wait for the thread, nor does the interpreter."""
    command = (sys.executable, "-X", "dev", "-c", LEAVING, str(tmp_path / "locks"))
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (0, "left\n", "") == (result.returncode, result.stdout, result.stderr)


async def test_processes_exclude_each_other(store: KeyringTokenStore, tmp_path: Path) -> None:
    """Pitfall 27: The lock that another process holds is not had here; it ends with that process, however that ends."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDING, str(tmp_path / "locks"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert b"held\n" == await child.stdout.readline()
        with pytest.raises(StoreLockTimeout):
            await store.lock(ACCOUNT).__aenter__()
        async with store.lock("another"):
            await store.save(ACCOUNT, TOKEN)
    finally:
        child.kill()
        await child.communicate()
    async with store.lock(ACCOUNT):
        assert TOKEN == await store.load(ACCOUNT)


def put_newer_head(backend: FolderKeyring, slot: str) -> None:
    backend.set_password("vendorauth", f"{stored_name(ACCOUNT)}.{slot}", '{"version": 2, "where": "elsewhere"}')


def put_content(backend: FolderKeyring, content: str) -> None:
    head = {"version": 1, "saved": 7, "pieces": 1, "digest": hashlib.sha256(content.encode()).hexdigest()}
    backend.set_password("vendorauth", f"{stored_name(ACCOUNT)}.a", json.dumps(head))
    backend.set_password("vendorauth", f"{stored_name(ACCOUNT)}.a0", content)


NEWER_RECORD = "eyJ2ZXJzaW9uIjogOTl9"  # {"version": 99}
PUTS: dict[str, Callable[[FolderKeyring], None]] = {
    "head": lambda backend: put_newer_head(backend, "a"),
    "other head": lambda backend: put_newer_head(backend, "b"),
    "record": lambda backend: put_content(backend, NEWER_RECORD),
}


@pytest.mark.parametrize("put", PUTS)
@pytest.mark.parametrize("beside", [True, False])
async def test_a_newer_release(store: KeyringTokenStore, tmp_path: Path, put: str, beside: bool) -> None:
    """Rule 16: What a newer release wrote, of whatever form, is StoreUnreadable and stays; only logging out removes it."""
    backend = FolderKeyring(tmp_path / "keys")
    if beside:
        await store.save(ACCOUNT, TOKEN)
        await store.save(ACCOUNT, TOKEN)
    PUTS[put](backend)
    before = backend.entries()
    with pytest.raises(StoreUnreadable, match=r"is of version (2|99), and this release reads up to version 1"):
        await store.load(ACCOUNT)
    with pytest.raises(StoreUnreadable):
        await store.save(ACCOUNT, NEWER)
    assert before == backend.entries()
    await store.delete(ACCOUNT)
    assert {} == backend.entries()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\N{SNAKE}",
        "{}",
        '{"version": 0}',
        '{"version": 1}',
        '{"version": 1, "saved": 1, "pieces": -1, "digest": ""}',
        '{"version": 1, "saved": 1, "pieces": 1000000000, "digest": ""}',
    ],
)
async def test_heads_that_are_none(store: KeyringTokenStore, tmp_path: Path, head: str) -> None:
    """A head that says nothing, or what can't be, counts as no record: it is told, and replaced."""
    told = list[Exception]()
    reset = listener.set(told.append)
    FolderKeyring(tmp_path / "keys").set_password("vendorauth", f"{stored_name(ACCOUNT)}.a", head)
    await store.save(ACCOUNT, TOKEN)
    listener.reset(reset)
    assert ["it is treated as empty"] == [str(one).rpartition("; ")[2] for one in told]
    assert TOKEN == await store.load(ACCOUNT)


@pytest.mark.parametrize("content", ["?", "eyJ2ZXJzaW9uIjogMH0=", "\N{SNAKE}", ""])
async def test_contents_that_are_none(store: KeyringTokenStore, tmp_path: Path, content: str) -> None:
    """Pieces that belong together and make no record count as empty."""
    put_content(FolderKeyring(tmp_path / "keys"), content)
    assert await store.load(ACCOUNT) is None
    await store.save(ACCOUNT, TOKEN)
    assert TOKEN == await store.load(ACCOUNT)


async def test_a_keychain_that_shortens(
    store: KeyringTokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keychain that keeps the beginning of what it is given replaces no token: StoreUnavailable."""
    await store.save(ACCOUNT, TOKEN)
    backend = FolderKeyring(tmp_path / "keys")
    shorten = FolderKeyring.set_password
    for length in (20, 500):
        monkeypatch.setattr(
            FolderKeyring,
            "set_password",
            lambda self, service, name, text, most=length: shorten(self, service, name, text[:most]),
        )
        with pytest.raises(StoreUnavailable, match="does not give back what it was given"):
            await store.save(ACCOUNT, attrs.evolve(NEWER, value="v" * 3000))
        assert TOKEN == await store.load(ACCOUNT)
    assert backend.entries()
