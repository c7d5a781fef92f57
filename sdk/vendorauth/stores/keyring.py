"""Keep tokens in the keychain of the operating system. Needs the extra ``keyring``."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Final, TypeVar, final

import attrs
import keyring
import msgspec
import platformdirs
from keyring.errors import KeyringLocked, NoKeyringError

from vendorauth._tracebacks import cut_noting
from vendorauth._wire import structure
from vendorauth.errors import (
    ConfigurationError,
    ProtocolError,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    StoreUnreadable,
)
from vendorauth.stores._files import Tell
from vendorauth.stores._locks import AccountFiles, absolute
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import NoRecord, decoded, read, write
from vendorauth.tokens import Token

T = TypeVar("T")

_PIECE: Final = 1000
"""Characters of a piece: Windows takes 2,560 bytes, two for each character."""
_MOST_PIECES: Final = 100_000
_SLOTS: Final = ("a", "b")
_VERSION: Final = 1
_NEVER: Final = -1
_THREAD: Final = "vendorauth-keyring"

_NO_KEYCHAIN: Final = "there is no keychain that the package keyring can use: install a backend for it, or take another store, such as FileTokenStore"
_LOCKED: Final = "the keychain is locked, and was not unlocked: unlock it"
_KEEPS_NOTHING: Final = "the keychain does not give back what it was given: it may be switched off; take another store"


@attrs.frozen
class _Versioned:
    """What every version of a head has in common."""

    version: int


@attrs.frozen(kw_only=True)
class _Head:
    """
    Be what stands under a slot's name: how many pieces there are, and what they make together.

    Of two slots the one that was *saved* later counts.
    """

    version: int
    saved: int
    pieces: int
    digest: str


@final
class KeyringTokenStore:
    """
    Keep each account's token in the keychain of the operating system, as entries of *service*.

    A token that is longer than a keychain's entry is split, so that a crash while saving leaves the old token or the
    new one. *lock_directory* is where the file locks lie (by default below the user's state directory), for all
    processes of one user and host; *lock_timeout* is how many seconds `lock` waits, more than one renewal takes.

    A keychain may ask the user something, so each call runs in a thread of its own, which a cancelled call leaves
    alone: it ends what it has begun, and until then it keeps others from this account's entries. A copy, or a pickle,
    is one more store over the same keychain.

    Raises:
        ConfigurationError: *service* is empty, *lock_directory* can't be a path, or *lock_timeout* can't be a time.
    """

    def __init__(
        self,
        service: str = "vendorauth",
        *,
        lock_directory: str | os.PathLike[str] | None = None,
        lock_timeout: float = 25.0,
    ) -> None:
        if not service:
            message = "service is empty"
            raise ConfigurationError(message)
        folder = platformdirs.user_state_path("vendorauth") / "locks" if lock_directory is None else lock_directory
        self._service = service
        self._files = AccountFiles(absolute(folder), lock_timeout)

    def __reduce__(self) -> tuple[Callable[[str], KeyringTokenStore], tuple[str]]:
        directory, seconds = self._files.directory, self._files.lock_timeout
        return partial(KeyringTokenStore, lock_directory=directory, lock_timeout=seconds), (self._service,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._service!r})"

    async def load(self, account: str) -> Token | None:
        """
        Give what is stored for *account*, or ``None``. What is no record counts as ``None``, with a warning.

        Raises:
            StoreUnreadable: A newer version of this package wrote it.
            StoreLockTimeout: Somebody else has been reading or saving for five seconds.
            StoreUnavailable: There is no keychain that can be used, or it refused.
        """
        return await self._exclusively(account, lambda entries, tell: entries.load(tell))

    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*. Cancelled, it may be stored all the same, even a little later.

        Raises:
            StoreConflict: The stored generation is higher.
            StoreError: As `load`.
        """
        await self._exclusively(account, lambda entries, tell: entries.save(token, tell))

    async def delete(self, account: str) -> None:
        """Forget *account*, whatever version its record has. Raises as `load`."""
        await self._exclusively(account, lambda entries, _: entries.delete())

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """
        Hold *account*'s lock, exclusively among all tasks and processes of this user and host.

        Raises:
            StoreLockTimeout: Somebody else held it for *lock_timeout* seconds.
            StoreUnavailable: The directory of the locks can't be written, or is one that others can write.
        """
        return self._files.lock(account)

    async def _exclusively(self, account: str, job: Callable[[_Entries, Tell], T]) -> T:
        entries = _Entries(self._service, stored_name(account))
        return await self._files.exclusively(
            self._files.file(account), partial(_guarded, partial(job, entries)), _in_thread
        )


@final
class _Entries:
    """
    Be one account's entries: the part that blocks. Needs the save lock.

    There are two slots, each a head and its pieces. A token is written to the spare one, and counts from the moment
    that its head is there; then the other is cleared. One head for both would not do, because there are keychains
    (macOS) where replacing an entry means to delete it first.
    """

    def __init__(self, service: str, name: str) -> None:
        self._service = service
        self._name = name

    def load(self, tell: Tell) -> Token | None:
        """
        Give the token; what is no record counts as ``None``, and *tell* is told.

        Raises:
            StoreUnreadable: A newer release wrote it.
        """
        return self._newest(tell)[1]

    def save(self, token: Token, tell: Tell) -> None:
        """
        Replace the token.

        Raises:
            StoreConflict: The stored generation is higher.
            StoreUnreadable: A newer release wrote what is there.
            StoreUnavailable: The keychain does not give back what it was given.
        """
        current, stored = self._newest(tell)
        if stored is not None and stored.generation > token.generation:
            message = f"generation {stored.generation} is stored, which is newer than {token.generation}"
            raise StoreConflict(message)
        content = base64.b64encode(write(token)).decode()
        pieces = [content[begin : begin + _PIECE] for begin in range(0, len(content), _PIECE)]
        saved = 1 + max(self._saved(slot) for slot in _SLOTS)
        head = _Head(version=_VERSION, saved=saved, pieces=len(pieces), digest=_digest(content))
        (spare,) = set(_SLOTS) - {current}
        self._drop(spare)
        for number, piece in enumerate(pieces):
            self._set(f"{spare}{number}", piece)
        self._set(spare, msgspec.json.encode(attrs.asdict(head)).decode())
        if not self._holds(spare, content):
            raise StoreUnavailable(_KEEPS_NOTHING)
        self._drop(current)

    def delete(self) -> None:
        """Remove all entries, those that count last, so that a crash in between brings no older token back."""
        for slot in sorted(_SLOTS, key=self._saved):
            self._drop(slot)

    def _newest(self, tell: Tell) -> tuple[str, Token | None]:
        """Give the slot that counts, and its token."""
        problem = ""
        for slot in sorted(_SLOTS, key=self._saved, reverse=True):
            try:
                content = self._content(slot)
                if content is not None:
                    return slot, _token(content)
            except NoRecord as error:
                problem = problem or str(error)
        if problem:
            tell(StoreError(f"the keychain's entry {self._name}: {problem}; it is treated as empty"))
        return _SLOTS[0], None

    def _saved(self, slot: str) -> int:
        """Tell which save *slot* has: less than any where that can't be said, more than any of ours for a newer release's."""
        try:
            head = self._head(slot)
        except NoRecord:
            head = None
        except StoreUnreadable:
            return sys.maxsize
        return _NEVER if head is None else head.saved

    def _holds(self, slot: str, content: str) -> bool:
        try:
            return self._content(slot) == content
        except NoRecord:
            return False

    def _content(self, slot: str) -> str | None:
        """Put *slot*'s pieces together. Raises `NoRecord`: they are not what its head says."""
        head = self._head(slot)
        if head is None:
            return None
        content = "".join(self._get(f"{slot}{number}") or "" for number in range(head.pieces))
        if _digest(content) != head.digest:
            message = "its pieces don't belong together"
            raise NoRecord(message)
        return content

    def _head(self, slot: str) -> _Head | None:
        text = self._get(slot)
        return None if text is None else _read_head(text)

    def _drop(self, slot: str) -> None:
        """Remove the head, then the pieces from the last one down: a crash in between leaves none behind a gap."""
        head: _Head | None = None
        with suppress(NoRecord, StoreUnreadable):
            head = self._head(slot)
        known = 0 if head is None else head.pieces
        if self._get(slot) is not None:
            self._delete(slot)
        found, number = list[int](), 0
        while (there := self._get(f"{slot}{number}") is not None) or number < known:
            found += [number] if there else []
            number += 1
        for piece in reversed(found):
            self._delete(f"{slot}{piece}")

    def _get(self, entry: str) -> str | None:
        return keyring.get_password(self._service, f"{self._name}.{entry}")

    def _set(self, entry: str, text: str) -> None:
        keyring.set_password(self._service, f"{self._name}.{entry}", text)

    def _delete(self, entry: str) -> None:
        keyring.delete_password(self._service, f"{self._name}.{entry}")


def _read_head(text: str) -> _Head:
    """
    Read what stands under a slot's name.

    Raises:
        NoRecord: It is something else.
        StoreUnreadable: A newer release wrote it.
    """
    form = decoded(text.encode("utf-8", "surrogatepass"))
    try:
        version = structure(form, _Versioned, "the head").version
        head = structure(form, _Head, "the head") if version == _VERSION else None
    except ProtocolError as error:
        raise NoRecord(str(error)) from None
    if version > _VERSION:
        message = f"the keychain's entry is of version {version}, and this release reads up to version {_VERSION}"
        raise StoreUnreadable(message)
    if head is None or not 0 <= head.pieces <= _MOST_PIECES:
        message = "its head says what can't be"
        raise NoRecord(message)
    return head


def _token(content: str) -> Token:
    """Read what the pieces make. Raises as `read`."""
    try:
        record = base64.b64decode(content, validate=True)
    except ValueError:
        record = b""
    return read(record, "what its pieces make")


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _guarded(job: Callable[[Tell], T], tell: Tell) -> T:
    """Do *job*; what a keychain's driver raises becomes `StoreUnavailable`, without its frames, which hold the token."""
    try:
        return job(tell)
    except StoreError:
        raise
    except NoKeyringError:
        message = _NO_KEYCHAIN
    except KeyringLocked:
        message = _LOCKED
    except Exception as error:  # noqa: BLE001  a driver is a plugin that anybody wrote: D-Bus, Windows and others fail in ways of their own
        message = f"the keychain can't be used: {type(error).__name__}"
    raise StoreUnavailable(message)


async def _in_thread(job: Callable[[], T]) -> T:
    """
    Run *job* in a thread of its own, which a cancelled call leaves alone: it may hang for as long as a person is away.

    The thread does not keep the interpreter alive; ended in the middle it is a crash, which is provided for.
    """
    outcome = Future[T]()

    def work() -> None:
        try:
            outcome.set_result(job())
        except BaseException as error:  # noqa: BLE001  it is raised where it is awaited
            outcome.set_exception(error)

    outcome.set_running_or_notify_cancel()
    threading.Thread(target=work, name=_THREAD, daemon=True).start()
    try:
        return await asyncio.wrap_future(outcome)
    except BaseException as error:  # the job's, or a cancellation: the frames hold the token
        cut_noting(error)
        raise
