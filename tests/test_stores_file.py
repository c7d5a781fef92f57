from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import attrs
import msgspec
import pytest
from blockbuster import BlockingError, blockbuster_ctx

from _stores import home
from vendorauth.errors import (
    ConfigurationError,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    StoreUnreadable,
)
from vendorauth.stores import FileTokenStore, TokenStore, _files
from vendorauth.stores._files import RecordFile
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import write
from vendorauth.stores._reports import listener
from vendorauth.tokens import Token

__all__ = ["home"]

# These tests may run as root, for whom permission bits don't count. Where a test needs a refusal of the system, it
# patches the call in os instead.

TOKEN = Token(value="s3cret-value", issued_at=datetime(2025, 1, 1, tzinfo=UTC), generation=5, refresh_token="s3cret")
OLDER = attrs.evolve(TOKEN, generation=4)
NEWER = attrs.evolve(TOKEN, generation=6)
NEWER_VERSION = b'{"version": 99, "token": "s3cret"}'


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx(scanned_modules=["vendorauth", "filelock"]):
        yield


@pytest.fixture
def store(home: Path) -> FileTokenStore:
    return FileTokenStore(home)


@pytest.fixture
def files(home: Path) -> RecordFile:
    """The files of the account "a"."""
    return RecordFile(home, stored_name("a"))


@pytest.fixture
def told() -> Iterator[list[tuple[StoreError, int]]]:
    """What the listener heard, and in which thread."""
    heard = list[tuple[StoreError, int]]()
    reset = listener.set(lambda error: heard.append((error, threading.get_ident())))
    yield heard
    listener.reset(reset)


def listing(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, number: int, path: Path | None = None) -> None:
    """Let ``os.<call>`` fail with *number*, for *path* or for all."""
    real: Callable[..., object] = getattr(os, call)

    def refusing(*args: object, **more: object) -> object:
        if path is None or str(path) == str(args[0]):
            raise OSError(number, os.strerror(number), str(path or "") or None)
        return real(*args, **more)

    monkeypatch.setattr(os, call, refusing)


async def test_the_guard_notices_file_work_on_the_loop(files: RecordFile) -> None:
    """The fixture of this module works: file work on the event loop fails a test."""
    files.record.write_bytes(b"")
    with pytest.raises(BlockingError):
        files.load()


async def test_nothing_stored(tmp_path: Path) -> None:
    """An empty store answers ``None`` and deletes nothing; making and reading it makes no directory."""
    store: TokenStore = FileTokenStore(tmp_path / "never")
    assert await store.load("a") is None
    await store.delete("a")
    assert not (tmp_path / "never").exists()


async def test_a_token_is_kept_until_it_is_deleted(store: FileTokenStore, home: Path) -> None:
    """What is saved is loaded again, by this store and by another one of the same directory, account by account."""
    await store.save("a", TOKEN)
    await store.save("\N{SNOWMAN}/../b", NEWER)
    assert (TOKEN, NEWER) == (await store.load("a"), await FileTokenStore(str(home)).load("\N{SNOWMAN}/../b"))
    await store.delete("a")
    await store.delete("a")
    assert (None, NEWER) == (await store.load("a"), await store.load("\N{SNOWMAN}/../b"))


async def test_rights_and_names(tmp_path: Path) -> None:
    """Directories are made with 0700, files with 0600 whatever the umask allows; names are hashes (DESIGN §7)."""
    store = FileTokenStore(tmp_path / "one" / "two")
    before = os.umask(0)
    try:
        async with store.lock("jane@example.com"):
            await store.save("jane@example.com", TOKEN)
    finally:
        os.umask(before)
    assert {0o700} == {mode(tmp_path / "one"), mode(tmp_path / "one" / "two")}
    made = list((tmp_path / "one" / "two").iterdir())
    assert {0o600} == {mode(path) for path in made}
    assert {stored_name("jane@example.com")} == {path.name.split(".")[0] for path in made}
    assert [".json", ".lock", ".save.lock"] == sorted("".join(path.suffixes) for path in made)


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the home directory; a relative path means what it meant when the store was made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    below_home, relative = FileTokenStore("~/x"), FileTokenStore(Path("x"))
    monkeypatch.chdir("/")
    asyncio.run(below_home.save("a", TOKEN))
    assert TOKEN == asyncio.run(relative.load("a"))
    assert f"FileTokenStore('{tmp_path}/x', lock_timeout=25)" == repr(relative)


@pytest.mark.parametrize("directory", ["", "a\0b", b"bytes", "~nobody-has-this-name/x"])
def test_a_directory_that_cannot_be_one(directory: str) -> None:
    """A path that can't be right is told when the store is made."""
    with pytest.raises(ConfigurationError):
        FileTokenStore(directory)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_lock_timeout_that_cannot_be_one(seconds: float) -> None:
    """So is a time that is none."""
    with pytest.raises(ConfigurationError, match="lock_timeout must be a number of seconds"):
        FileTokenStore("x", lock_timeout=seconds)


async def test_a_newer_token_stays(store: FileTokenStore, home: Path, files: RecordFile) -> None:
    """Only a higher stored generation is a conflict; the newer token stays, and no other file is left."""
    await store.save("a", TOKEN)
    await store.save("a", TOKEN)
    with pytest.raises(StoreConflict, match=r"holds generation 5, which is newer than 4$"):
        await store.save("a", OLDER)
    assert TOKEN == await store.load("a")
    assert {files.record, files.save_lock} == listing(home)


async def test_compared_and_written_atomically(home: Path) -> None:
    """Of many stores that save at once without the account's lock, the highest generation wins."""

    async def save(generation: int) -> None:
        with suppress(StoreConflict):
            await FileTokenStore(home).save("a", attrs.evolve(TOKEN, generation=generation))

    await asyncio.gather(*(save(number * 7 % 20) for number in range(20)))
    stored = await FileTokenStore(home).load("a")
    assert stored is not None
    assert 19 == stored.generation


@pytest.mark.parametrize(
    "garbage", [b"", b"s3cret \xff", write(TOKEN)[:-5], b'{"version": 1, "token": {"value": 5}}', b"\0" * 100]
)
async def test_garbage_is_moved_aside(
    garbage: bytes,
    store: FileTokenStore,
    files: RecordFile,
    told: list[tuple[StoreError, int]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is no record goes to one ``*.corrupt``, with a report on the loop's thread, and counts as empty (rule 16)."""
    for content in (b"earlier garbage", garbage):
        files.record.write_bytes(content)
        files.record.chmod(0o644)
        with caplog.at_level(logging.WARNING):
            assert await store.load("a") is None
    assert (garbage, 0o600, False) == (files.corrupt.read_bytes(), mode(files.corrupt), files.record.exists())
    assert 2 * [(StoreError, threading.get_ident())] == [(type(error), thread) for error, thread in told]
    assert [str(error) for error, _ in told] == [record.getMessage() for record in caplog.records]
    assert "s3cret" not in caplog.text
    await store.delete("a")
    assert not files.corrupt.exists()


async def test_garbage_is_saved_over(
    store: FileTokenStore, files: RecordFile, told: list[tuple[StoreError, int]]
) -> None:
    """Saving moves garbage aside as well (pitfall 30)."""
    files.record.write_bytes(b"garbage")
    await store.save("a", TOKEN)
    assert TOKEN == await store.load("a")
    assert (b"garbage", 1) == (files.corrupt.read_bytes(), len(told))


def test_a_record_repaired_meanwhile_is_not_moved(files: RecordFile) -> None:
    """Garbage is read once more with the save lock, so that what another process has saved since stays."""
    files.record.write_bytes(write(TOKEN))
    assert TOKEN == files.load_or_clear(lambda error: pytest.fail(str(error)))


async def test_sizes_are_bounded(store: FileTokenStore, files: RecordFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than any record is not read; a token that would make one is refused; 1 MB is fine."""
    large = attrs.evolve(TOKEN, details={"a": "x" * 2**20})
    await store.save("a", large)
    assert large == await store.load("a")
    monkeypatch.setattr(_files, "LARGEST_RECORD", 2**20)
    with pytest.raises(StoreUnavailable, match="bytes; 1048576 at most"):
        await store.save("a", large)
    assert await store.load("a") is None
    assert files.corrupt.exists()


async def untouched(store: FileTokenStore) -> None:
    """Neither reading nor writing touches what is not ours."""
    with pytest.raises(StoreUnreadable):
        await store.load("a")
    with pytest.raises(StoreUnreadable):
        await store.save("a", NEWER)


async def test_a_newer_version_is_left_alone(store: FileTokenStore, files: RecordFile) -> None:
    """A record of a newer version is neither moved nor overwritten (rule 16); deleting is what it says."""
    files.record.write_bytes(NEWER_VERSION)
    await untouched(store)
    assert (NEWER_VERSION, False) == (files.record.read_bytes(), files.corrupt.exists())
    await store.delete("a")
    assert not files.record.exists()


async def test_a_link_in_place_of_the_record(store: FileTokenStore, files: RecordFile, tmp_path: Path) -> None:
    """A symbolic link is never followed, whatever is behind it (DESIGN §7); deleting removes the link only."""
    target = tmp_path / "target"
    target.write_bytes(write(TOKEN))
    files.record.symlink_to(target)
    await untouched(store)
    assert (target, write(TOKEN)) == (files.record.readlink(), target.read_bytes())
    await store.delete("a")
    assert (True, False) == (target.exists(), files.record.is_symlink())


async def test_a_directory_in_place_of_the_record(store: FileTokenStore, files: RecordFile) -> None:
    """A directory is left alone, and can't be deleted."""
    files.record.mkdir()
    await untouched(store)
    with pytest.raises(StoreUnavailable, match=files.record.name):
        await store.delete("a")
    assert files.record.is_dir()


async def test_a_pipe_in_place_of_the_record(store: FileTokenStore, files: RecordFile) -> None:
    """A pipe is left alone, and nobody waits for its other end."""
    os.mkfifo(files.record)
    await untouched(store)
    assert files.record.is_fifo()


async def test_no_permission(store: FileTokenStore, files: RecordFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that we may not read is left alone; the cause is chained."""
    files.record.write_bytes(write(TOKEN))
    with monkeypatch.context() as patch:
        refuse(patch, "open", errno.EACCES, files.record)
        await untouched(store)
        with pytest.raises(StoreUnreadable, match="Permission denied") as caught:
            await store.load("a")
    assert isinstance(caught.value.__cause__, PermissionError)
    assert TOKEN == await store.load("a")


async def test_a_failing_disk(store: FileTokenStore, files: RecordFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other trouble of the system is `StoreUnavailable`, chained, with path and reason."""
    refuse(monkeypatch, "open", errno.EIO, files.record)
    with pytest.raises(StoreUnavailable, match=f"^{files.record}: Input/output error$") as caught:
        await store.load("a")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(("call", "number"), [("fsync", errno.ENOSPC), ("replace", errno.EROFS)])
async def test_a_failing_save(
    call: str, number: int, store: FileTokenStore, files: RecordFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk or a failing rename leaves the old record and no temporary file."""
    await store.save("a", TOKEN)
    with monkeypatch.context() as patch:
        refuse(patch, call, number)
        with pytest.raises(StoreUnavailable, match=f": {os.strerror(number)}$"):
            await store.save("a", NEWER)
    assert (TOKEN, False) == (await store.load("a"), files.temporary.exists())


async def test_a_read_only_directory(store: FileTokenStore, files: RecordFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, saving and locking say so, and loading works."""
    await store.save("a", TOKEN)
    for path in (files.temporary, files.lock):
        refuse(monkeypatch, "open", errno.EROFS, path)
    with pytest.raises(StoreUnavailable, match="Read-only file system"):
        await store.save("a", NEWER)
    with pytest.raises(StoreUnavailable, match="Read-only file system"):
        async with store.lock("a"):
            pytest.fail("locked")
    assert TOKEN == await store.load("a")


async def test_leftovers_of_a_killed_process(store: FileTokenStore, files: RecordFile) -> None:
    """What a killed process was writing is removed with the next save, or with the account."""
    files.temporary.write_bytes(b"half")
    await store.save("a", TOKEN)
    assert (TOKEN, False) == (await store.load("a"), files.temporary.exists())
    files.temporary.write_bytes(b"half")
    await store.delete("a")
    assert {files.save_lock} == listing(files.save_lock.parent)


async def test_a_link_in_place_of_the_temporary_file(store: FileTokenStore, files: RecordFile, tmp_path: Path) -> None:
    """A link under the temporary name is removed, not followed."""
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    files.temporary.symlink_to(target)
    await store.save("a", TOKEN)
    assert (TOKEN, b"theirs") == (await store.load("a"), target.read_bytes())


async def test_cancelled_while_saving(store: FileTokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled save returns when the file work has ended, and the account's lock is held until then (pitfall 11)."""
    begun, go, real = threading.Event(), threading.Event(), os.fsync

    def slow(opened: int) -> None:
        begun.set()
        assert go.wait(30)
        real(opened)

    async def save() -> None:
        async with store.lock("a"):
            await store.save("a", TOKEN)

    monkeypatch.setattr(os, "fsync", slow)
    task = asyncio.create_task(save())
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert TOKEN == await store.load("a")


async def test_an_unknown_version_shows_no_secret(store: FileTokenStore, files: RecordFile) -> None:
    """Errors name the file and the reason, never what it holds."""
    files.record.write_bytes(msgspec.json.encode({"version": 2, "value": "s3cret"}))
    with pytest.raises(StoreUnreadable, match=f"^{files.record} is of version 2") as caught:
        await store.load("a")
    assert "s3cret" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))
