"""The seam to a store: whatever it does, what leaves is a StoreError, reported (rule 16)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from types import TracebackType

import pytest

from vendorauth.engine import vault
from vendorauth.engine.vault import Vault
from vendorauth.errors import StoreConflict, StoreError, StoreLockTimeout, StoreUnavailable, StoreUnreadable
from vendorauth.events import StoreTrouble, TokenEvent
from vendorauth.stores import MemoryTokenStore
from vendorauth.stores._reports import report
from vendorauth.tokens import Token

TOKEN = Token(value="MARK", issued_at=datetime(2026, 1, 1, tzinfo=UTC), generation=7)


class Store:
    """Be a user's store: everything goes through *trouble* first."""

    def __init__(self, trouble: Callable[[str], Awaitable[None]]) -> None:
        self.trouble = trouble
        self.inner = MemoryTokenStore()
        self.exits: list[type[BaseException] | None] = []

    async def load(self, account: str) -> Token | None:
        """Give what is stored."""
        await self.trouble("load")
        return await self.inner.load(account)

    async def save(self, account: str, token: Token) -> None:
        """Store it."""
        await self.trouble("save")
        await self.inner.save(account, token)

    async def delete(self, account: str) -> None:
        """Forget it."""
        await self.trouble("delete")
        await self.inner.delete(account)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Hold it."""
        return _Lock(self)


class _Lock:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def __aenter__(self) -> None:
        await self._store.trouble("lock")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.exits.append(kind)
        await self._store.trouble("release")


async def fine(operation: str) -> None:
    pass


def failing(at: str, error: Exception) -> Callable[[str], Awaitable[None]]:
    async def trouble(operation: str) -> None:
        if operation == at:
            raise error

    return trouble


def hanging(at: str) -> Callable[[str], Awaitable[None]]:
    async def trouble(operation: str) -> None:
        if operation == at:
            await asyncio.Event().wait()

    return trouble


class Desk:
    """Be a vault over a store, and what it told."""

    def __init__(self, trouble: Callable[[str], Awaitable[None]] = fine) -> None:
        self.events: list[TokenEvent] = []
        self.store = Store(trouble)
        self.vault = Vault(self.store, "jane", self.events.append)

    async def do(self, operation: str) -> None:
        """Do *operation*."""
        if operation == "lock":
            async with self.vault.locked():
                pass
        else:
            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "load": self.vault.load,
                "save": lambda: self.vault.save(TOKEN),
                "delete": self.vault.delete,
            }
            await calls[operation]()


ALL = pytest.mark.parametrize("operation", ["load", "save", "delete", "lock"])


async def test_round_trip() -> None:
    """What is saved is loaded, beside it under a suffix too, until it is deleted; nothing is told."""
    desk = Desk()
    await desk.vault.save(TOKEN)
    await desk.vault.save(TOKEN, "|refused")
    assert TOKEN is await desk.vault.load()
    await desk.vault.delete()
    assert await desk.vault.load() is None
    assert TOKEN is await desk.store.inner.load("jane|refused")
    await desk.vault.delete("|refused")
    assert await desk.vault.load("|refused") is None
    assert [] == desk.events


@ALL
async def test_a_foreign_exception(operation: str, caplog: pytest.LogCaptureFixture) -> None:
    """A store's own exception becomes StoreUnavailable, chained, a warning and an event; its text is not repeated."""
    error = OSError("MARK")
    desk = Desk(failing(operation, error))
    with pytest.raises(StoreUnavailable) as caught:
        await desk.do(operation)
    assert f"the token store's {operation} failed: OSError" == str(caught.value)
    assert error is caught.value.__cause__
    assert [StoreTrouble(account="jane", operation=operation, error=caught.value)] == desk.events  # type: ignore[arg-type]  # one of four
    assert [("vendorauth.engine.vault", logging.WARNING)] == [(one.name, one.levelno) for one in caplog.records]
    assert "MARK" not in caplog.text


@ALL
@pytest.mark.parametrize("error", [StoreUnreadable("no"), StoreUnavailable("no"), StoreLockTimeout("no")])
async def test_a_store_error(operation: str, error: StoreError, caplog: pytest.LogCaptureFixture) -> None:
    """A store's StoreError leaves as it is, with a warning and an event."""
    desk = Desk(failing(operation, error))
    with pytest.raises(type(error)) as caught:
        await desk.do(operation)
    assert error is caught.value
    assert [error] == [event.error for event in desk.events if isinstance(event, StoreTrouble)]
    assert 1 == len(caplog.records)


async def test_a_conflict_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody else's newer token is news, not trouble: it is raised and not reported."""
    desk = Desk(failing("save", StoreConflict("no")))
    with pytest.raises(StoreConflict):
        await desk.do("save")
    assert ([], []) == (desk.events, caplog.records)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the vault wait a hundredth of a second where it waits ten."""
    assert 10.0 == vault.PATIENCE
    monkeypatch.setattr(vault, "PATIENCE", 0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["load", "save", "delete"])
async def test_a_hanging_store(operation: str) -> None:
    """A store that never answers is left after a while: every wait has an end (pitfall 18)."""
    with pytest.raises(StoreUnavailable, match=f"^the token store's {operation} failed: TimeoutError$"):
        await Desk(hanging(operation)).do(operation)


@pytest.mark.usefixtures("impatient")
async def test_waiting_for_the_lock_is_the_stores() -> None:
    """What bounds other operations does not bound waiting for a lock: the store does (rule 4)."""
    desk = Desk(hanging("lock"))
    task = asyncio.create_task(desk.do("lock"))
    ended, _ = await asyncio.wait({task}, timeout=0.05)
    assert set() == ended
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ([], []) == (desk.events, desk.store.exits)


async def test_a_lock_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that puts no end to it either parks nobody: a StoreLockTimeout, told, and nothing to release (pitfall 18)."""
    assert 60.0 == vault.LOCK_PATIENCE
    monkeypatch.setattr(vault, "LOCK_PATIENCE", 0.01)
    desk = Desk(hanging("lock"))
    with pytest.raises(StoreLockTimeout, match=r"^the token store gave no lock within 0\.01 seconds$") as caught:
        await desk.do("lock")
    assert [StoreTrouble(account="jane", operation="lock", error=caught.value)] == desk.events
    assert [] == desk.store.exits


async def test_a_lock_that_times_out_by_itself() -> None:
    """A TimeoutError of the store's own is its trouble, like any other exception: nobody is known to hold the lock."""
    desk = Desk(failing("lock", TimeoutError("MARK")))
    with pytest.raises(StoreUnavailable, match=r"^the token store's lock failed: TimeoutError$"):
        await desk.do("lock")


async def test_cancelled_under_the_lock() -> None:
    """Who is cancelled while holding the lock releases it whole, and in the task that took it, before that is known."""
    entered, leaving, opened = asyncio.Event(), asyncio.Event(), asyncio.Event()
    tasks = list[object]()

    async def slow(operation: str) -> None:
        tasks.append(asyncio.current_task())
        if operation == "release":
            leaving.set()
            await opened.wait()
            tasks.append("released")

    desk = Desk(slow)

    async def hold() -> None:
        async with desk.vault.locked():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    await leaving.wait()
    assert not task.done()
    opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [task, task, "released"] == tasks


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", [hanging("release"), failing("release", OSError("MARK"))])
async def test_trouble_with_releasing(trouble: Callable[[str], Awaitable[None]]) -> None:
    """A lock that can't be released is reported, and spoils nothing that was done under it."""
    desk, done = Desk(trouble), False
    async with desk.vault.locked():
        done = True
    assert done
    assert ["release"] == [event.operation for event in desk.events if isinstance(event, StoreTrouble)]


@pytest.mark.parametrize("trouble", [fine, failing("release", OSError("MARK"))])
async def test_the_lock_sees_no_exception(trouble: Callable[[str], Awaitable[None]]) -> None:
    """What is raised under the lock goes past the store: a manager that rolls back would undo a good save."""
    desk = Desk(trouble)
    with pytest.raises(ZeroDivisionError):
        async with desk.vault.locked():
            raise ZeroDivisionError
    assert [None] == desk.store.exits


async def test_a_lock_that_is_not_had_is_not_released() -> None:
    """What could not be taken is not given back."""
    desk = Desk(failing("lock", StoreLockTimeout("no")))
    with pytest.raises(StoreLockTimeout):
        await desk.do("lock")
    assert [] == desk.store.exits


async def test_cancelled_while_saving() -> None:
    """Cancelled during a save, the token is saved once more before the cancelling goes on (rule 3)."""
    begun = asyncio.Event()

    async def first_hangs(_: str) -> None:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()

    desk = Desk(first_hangs)
    task = asyncio.create_task(desk.vault.save(TOKEN))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert TOKEN is await desk.store.inner.load("jane")


@pytest.mark.parametrize("operation", ["load", "delete"])
async def test_cancelled_otherwise(operation: str) -> None:
    """Cancelling is cancelling, and no store's trouble."""
    desk = Desk(hanging(operation))
    task = asyncio.create_task(desk.do(operation))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == desk.events


async def test_trouble_that_a_store_has_dealt_with() -> None:
    """What a store reports while it goes on (a record moved aside) is an event with what was asked of it."""
    error = StoreUnreadable("moved aside")

    async def reporting(operation: str) -> None:
        if operation == "load":
            report(error)

    desk = Desk(reporting)
    assert await desk.vault.load() is None
    assert [StoreTrouble(account="jane", operation="load", error=error)] == desk.events
    report(error)
    assert 1 == len(desk.events)
