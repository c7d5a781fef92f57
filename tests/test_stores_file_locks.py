from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

import attrs
import pytest
from blockbuster import blockbuster_ctx
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from _stores import home
from vendorauth.errors import StoreLockTimeout, StoreUnavailable
from vendorauth.stores import FileTokenStore, _files, _locks
from vendorauth.stores._files import RecordFile
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import write
from vendorauth.tokens import Token

__all__ = ["home"]

TOKEN = Token(value="s3cret" * 500, issued_at=datetime(2025, 1, 1, tzinfo=UTC), generation=5)

COUNTING = """
import asyncio, sys
from pathlib import Path
from vendorauth.stores import FileTokenStore

async def main():
    store, counter = FileTokenStore(sys.argv[1]), Path(sys.argv[2])
    for _ in range(25):
        async with store.lock("a"):
            seen = int(counter.read_text())
            await asyncio.sleep(0)
            counter.write_text(str(seen + 1))

asyncio.run(main())
"""
HOLDING = """
import asyncio, sys
from vendorauth.stores import FileTokenStore

async def main():
    async with FileTokenStore(sys.argv[1]).lock("a"):
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""
SAVING = """
import asyncio, sys
from datetime import datetime, UTC
from vendorauth.stores import FileTokenStore
from vendorauth.tokens import Token

async def main():
    store, generation = FileTokenStore(sys.argv[1]), int(sys.argv[2])
    while True:
        generation += 1
        value = str(generation) * 1000
        await store.save("a", Token(value=value, issued_at=datetime.now(UTC), generation=generation))
        print(generation, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def _nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx(scanned_modules=["vendorauth", "filelock"]):
        yield


@pytest.fixture
def store(home: Path) -> FileTokenStore:
    return FileTokenStore(home, lock_timeout=20)


@pytest.fixture
def files(home: Path) -> RecordFile:
    """The files of the account "a"."""
    return RecordFile(home, stored_name("a"))


class Child:
    """Another process that runs *code*."""

    def __init__(self, code: str, *arguments: object) -> None:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def says(self) -> IO[str]:
        """What it prints."""
        assert self.process.stdout is not None
        return self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as ``kill -9`` does, and wait for that."""
        self.process.kill()
        self.process.communicate(timeout=30)


async def enter(store: FileTokenStore, account: str = "a") -> bool:
    """Take the lock and give it back."""
    async with store.lock(account):
        return True


@pytest.mark.usefixtures("_nothing_blocks")
async def test_one_task_at_a_time(store: FileTokenStore) -> None:
    """Two tasks of one process exclude each other, through one store or two, without blocking the loop."""
    inside, most = list[int](), list[int]()

    async def enter_slowly(one: FileTokenStore, number: int) -> None:
        async with one.lock("a"):
            inside.append(number)
            await one.load("a")
            most.append(len(inside))
            inside.remove(number)

    other = FileTokenStore(store._files.directory)
    await asyncio.gather(*(enter_slowly(one, number) for number, one in enumerate(4 * [store, other])))
    assert 8 * [1] == most


@pytest.mark.usefixtures("_nothing_blocks")
async def test_a_lock_excludes_only_its_account_and_no_save(store: FileTokenStore) -> None:
    """Who holds a lock stops no other account, and no save: that one compares generations instead."""
    async with asyncio.timeout(20), store.lock("a"):
        assert await enter(store, "b")
        await FileTokenStore(store._files.directory).save("a", TOKEN)
        assert TOKEN == await store.load("a")
        await store.delete("a")


async def test_waiting_has_an_end(home: Path, files: RecordFile) -> None:
    """Who waits for longer than *lock_timeout* is told so, by name of the lock; 0 means one try."""
    for seconds in (0, 0.03):
        async with FileTokenStore(home).lock("a"):
            with pytest.raises(StoreLockTimeout, match=f"^{files.lock} was held .* for {seconds} seconds$") as caught:
                await enter(FileTokenStore(home, lock_timeout=seconds))
        assert (None, None) == (caught.value.__cause__, caught.value.__context__)
    assert await enter(FileTokenStore(home, lock_timeout=0))


async def test_a_cancelled_wait_takes_nothing(store: FileTokenStore) -> None:
    """Whoever is cancelled while waiting, at whatever moment, leaves nothing held."""
    for rounds in range(12):
        async with store.lock("a"):
            waiting = asyncio.create_task(enter(store))
            for _ in range(rounds):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await enter(FileTokenStore(store._files.directory, lock_timeout=0))


async def test_cancelled_while_taking(store: FileTokenStore) -> None:
    """Cancelled while it takes a free lock, a task has it or nothing, and nothing stays held."""
    for rounds in range(25):
        taking = asyncio.create_task(enter(store))
        # Not to wait for anything: to be cancelled at another moment each time.
        for _ in range(rounds):
            await asyncio.sleep(0.0001 * (rounds % 2))
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking
        assert await enter(FileTokenStore(store._files.directory, lock_timeout=0))


async def test_cancelled_inside(store: FileTokenStore) -> None:
    """Cancelled or failed inside, a task gives the lock back before it ends."""
    inside = asyncio.Event()

    async def stay() -> None:
        async with store.lock("a"):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stay())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(KeyError):
        async with FileTokenStore(store._files.directory, lock_timeout=0).lock("a"):
            raise KeyError
    assert await enter(FileTokenStore(store._files.directory, lock_timeout=0))


async def test_a_link_in_place_of_the_lock(store: FileTokenStore, files: RecordFile, tmp_path: Path) -> None:
    """A link in place of either lock is refused, and what it points to is not touched."""
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    files.lock.symlink_to(target)
    files.save_lock.symlink_to(target)
    with pytest.raises(StoreUnavailable, match=files.lock.name):
        await enter(store)
    with pytest.raises(StoreUnavailable, match=files.save_lock.name):
        await store.save("a", TOKEN)
    assert b"theirs" == target.read_bytes()


async def test_a_frozen_save(store: FileTokenStore, files: RecordFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who saves for too long costs the others a bounded time, and stops no reader."""
    await store.save("a", TOKEN)
    monkeypatch.setattr(_locks, "_SAVE_SECONDS", 0.01)
    with FileLock(files.save_lock).acquire():
        assert TOKEN == await store.load("a")
        with pytest.raises(StoreLockTimeout, match=f"^{files.save_lock} was held"):
            await store.save("a", TOKEN)
        with pytest.raises(StoreLockTimeout):
            await store.delete("a")
        files.record.write_bytes(b"garbage")
        with pytest.raises(StoreLockTimeout):
            await store.load("a")
    assert b"garbage" == files.record.read_bytes()


def test_loops_one_after_another(store: FileTokenStore) -> None:
    """A store, and its lock, serve one event loop after another (pitfall 15)."""

    async def use() -> Token | None:
        await asyncio.gather(enter(store), enter(store))
        await store.save("a", TOKEN)
        return await store.load("a")

    assert [TOKEN, TOKEN] == [asyncio.run(use()), asyncio.run(use())]


def test_a_loop_that_dies_inside(store: FileTokenStore) -> None:
    """A loop closed while a task is inside holds the lock no longer than that task lives."""
    loop = asyncio.new_event_loop()
    lock = store.lock("a")
    loop.run_until_complete(lock.__aenter__())
    loop.close()
    del lock
    assert asyncio.run(enter(FileTokenStore(store._files.directory, lock_timeout=5)))


def test_loops_in_several_threads(store: FileTokenStore) -> None:
    """One store serves the loops of several threads at once, which exclude each other (pitfall 16)."""
    counter = [0]

    async def count() -> None:
        for _ in range(5):
            async with store.lock("a"):
                seen = counter[0]
                await store.load("a")
                counter[0] = seen + 1

    threads = [threading.Thread(target=asyncio.run, args=(count(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [20] == counter


@settings(deadline=None, max_examples=25)
@given(value=st.text(), generation=st.integers(min_value=0), account=st.text())
def test_saving_and_loading_is_identity(value: str, generation: int, account: str) -> None:
    """Any token of any account comes back equal."""
    token = Token(value=value, issued_at=TOKEN.issued_at, generation=generation, details={value: [value]})

    async def there_and_back(store: FileTokenStore) -> Token | None:
        await store.save(account, token)
        return await store.load(account)

    with tempfile.TemporaryDirectory() as folder:
        assert token == asyncio.run(there_and_back(FileTokenStore(folder)))


def test_processes_exclude_each_other(home: Path, tmp_path: Path) -> None:
    """Four processes count to 100 under the lock, and none counts twice (pitfall 27)."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    children = [Child(COUNTING, home, counter) for _ in range(4)]
    for child in children:
        child.process.communicate(timeout=50)
    assert [0, 0, 0, 0] == [child.process.returncode for child in children]
    assert "100" == counter.read_text()


def test_a_lock_dies_with_its_process(home: Path) -> None:
    """Other processes wait for a holder, frozen ones too, up to the end of their patience; a kill frees it (pitfall 31)."""
    with Child(HOLDING, home) as holder:
        assert "held\n" == holder.says.readline()
        holder.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreLockTimeout):
            asyncio.run(enter(FileTokenStore(home, lock_timeout=0.05)))
        holder.kill()
    assert asyncio.run(enter(FileTokenStore(home, lock_timeout=5)))


def test_killed_while_saving(home: Path, files: RecordFile) -> None:
    """Killed at any moment, a process leaves the old or the new record, and the next save works (pitfall 29)."""
    store, generation = FileTokenStore(home), 0
    for kills in range(8):
        with Child(SAVING, home, generation) as saver:
            told = [int(saver.says.readline()) for _ in range(1 + kills % 3)]
        stored = asyncio.run(store.load("a"))
        assert stored is not None
        # One more may have been saved and not told, or told and not read.
        assert told[-1] <= stored.generation
        assert str(stored.generation) * 1000 == stored.value
        generation = stored.generation
    asyncio.run(store.save("a", attrs.evolve(TOKEN, generation=generation + 1)))
    assert write(attrs.evolve(TOKEN, generation=generation + 1)) == files.record.read_bytes()
    assert {files.record, files.save_lock} == set(home.iterdir())


def test_a_forked_child_keeps_no_save_lock(tmp_path: Path) -> None:
    """A child that is forked during a save closes its copy of the lock, which is to end with its parent (pitfall 31)."""
    opened = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    _files._opened.add(opened)
    _files._after_fork()
    assert set() == _files._opened
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened)
