"""Keep one account's record in a file: the part of the file store that blocks, and therefore runs in a thread."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar, final

from filelock import Timeout, lock_descriptor, unlock_descriptor

from vendorauth.errors import StoreConflict, StoreError, StoreUnavailable, StoreUnreadable
from vendorauth.stores._records import NoRecord, read, write
from vendorauth.tokens import Token

T = TypeVar("T")
Tell = Callable[[StoreError], None]

FILE_MODE: Final = 0o600
LARGEST_RECORD: Final = 16 * 2**20

_FOLDER_MODE: Final = 0o700
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_ROOT: Final = 0
_POSIX: Final = os.name == "posix"
# Windows lacks the first two and needs the third. O_NONBLOCK: a pipe in the record's place must not block.
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_READ: Final = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_LOCK: Final = os.O_RDWR | os.O_CREAT | _NO_LINK | getattr(os, "O_NONBLOCK", 0)
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
# A link is answered with ELOOP, on FreeBSD with EMLINK.
_NOT_OURS: Final = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.EMLINK}
# What file systems answer that can't sync a folder.
_NO_FOLDER_SYNC: Final = {errno.EBADF, errno.EINVAL}


_opened: Final = set[int]()
"""The save locks of this process, by their descriptors."""


@final
class RecordFile:
    """
    Be the files of one account in *directory*: the record, what was moved aside, two locks, and one under way.

    Only who holds the save lock writes, so there is one temporary name for each account, and what is found there is a
    killed process's. Every method may raise ``OSError``.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self.record: Final = directory / f"{name}.json"
        self.corrupt: Final = directory / f"{name}.json.corrupt"
        self.temporary: Final = directory / f"{name}.json.tmp"
        self.save_lock: Final = directory / f"{name}.save.lock"
        self.lock: Final = directory / f"{name}.lock"

    def prepare(self) -> None:
        """
        Make the directory if it is missing, and see that it is ours.

        Raises:
            StoreUnavailable: Others can write it, or it is no directory, or somebody else's.
        """
        if not self._usable():
            _make_folder(self._directory)
            self._usable()

    def exclusively(self, job: Callable[[], T]) -> T:
        """
        Do *job* while no other process or thread saves or deletes this record.

        Raises:
            filelock.Timeout: Somebody else does; this does not wait.
            StoreUnavailable: As `prepare`.
        """
        self.prepare()
        # By its descriptor, because a FileLock costs a quarter of a whole save.
        opened = os.open(self.save_lock, _LOCK, FILE_MODE)
        _opened.add(opened)
        try:
            # Without a name, it was removed since it was opened, and the next one locks another file.
            if not lock_descriptor(opened, blocking=False) or not os.fstat(opened).st_nlink:
                raise Timeout(str(self.save_lock))
            try:
                return job()
            finally:
                unlock_descriptor(opened)
        finally:
            _opened.discard(opened)
            os.close(opened)

    def load(self) -> Token | None:
        """
        Read the record, or give ``None`` where there is none.

        Raises:
            NoRecord: What is there is no record.
            StoreUnreadable: It is not ours to read.
            StoreUnavailable: The directory is not ours.
        """
        return self._read() if self._usable() else None

    def load_or_clear(self, tell: Tell) -> Token | None:
        """
        Read the record; what is none is moved aside, *tell* is told, and it counts as ``None``. Needs the save lock.

        Raises:
            StoreUnreadable: It is not ours to read.
        """
        try:
            return self._read()
        except NoRecord as error:
            why = str(error)
        self.record.chmod(FILE_MODE)
        self.record.replace(self.corrupt)
        sync_folder(self._directory)
        tell(StoreError(f"{why}; it is moved to {self.corrupt} and treated as empty"))
        return None

    def save(self, token: Token, tell: Tell) -> None:
        """
        Replace the record, so that a crash at any moment leaves the old or the new one. Needs the save lock.

        Raises:
            StoreConflict: The record has a higher generation.
            StoreUnreadable: The record is not ours to overwrite.
            StoreUnavailable: The token is too large.
        """
        stored = self.load_or_clear(tell)
        if stored is not None and stored.generation > token.generation:
            message = f"{self.record} holds generation {stored.generation}, which is newer than {token.generation}"
            raise StoreConflict(message)
        content = write(token)
        if len(content) > LARGEST_RECORD:
            message = f"{self.record} would have {len(content)} bytes; {LARGEST_RECORD} at most are read again"
            raise StoreUnavailable(message)
        self._replace(content)

    def is_gone(self) -> bool:
        """
        Tell whether there is nothing to delete.

        Raises:
            StoreUnavailable: The directory is not ours.
        """
        return not self._usable() or all(_look(path) is None for path in self._contents())

    def delete(self) -> None:
        """Remove everything but the locks, which others may be waiting for. Needs the save lock."""
        for path in self._contents():
            path.unlink(missing_ok=True)
        sync_folder(self._directory)

    def _contents(self) -> tuple[Path, ...]:
        return self.corrupt, self.temporary, self.record

    def _usable(self) -> bool:
        """Tell whether the directory is there, and refuse one that others could write."""
        found = _look(self._directory)
        if found is None:
            return False
        problem = _problem(found)
        if problem is not None:
            message = f"{self._directory} {problem}"
            raise StoreUnavailable(message)
        return True

    def _read(self) -> Token | None:
        try:
            opened = os.open(self.record, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            message = f"{self.record} can't be opened: {error.strerror}"
            raise StoreUnreadable(message) from error
        try:
            return read(self._content(opened), str(self.record))
        finally:
            os.close(opened)

    def _content(self, opened: int) -> bytes:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            message = f"{self.record} is not a regular file"
            raise StoreUnreadable(message)
        if found.st_size > LARGEST_RECORD:
            message = f"{self.record} has more than {LARGEST_RECORD} bytes"
            raise NoRecord(message)
        # Of the size that it has: read() with the limit would allocate that much each time.
        with os.fdopen(opened, "rb", closefd=False) as file:
            return file.read(found.st_size)

    def _replace(self, content: bytes) -> None:
        self.temporary.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(self.temporary, _CREATE, FILE_MODE), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self.temporary.replace(self.record)
        except BaseException:  # whatever it was, no token stays behind in a file that nobody reads
            self.temporary.unlink(missing_ok=True)
            raise
        sync_folder(self._directory)


def _look(path: Path) -> os.stat_result | None:
    """Look at *path* itself, not at what a link points to."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _problem(found: os.stat_result) -> str | None:
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a directory"
    if _POSIX and found.st_uid not in {os.geteuid(), _ROOT}:
        return f"belongs to another user ({found.st_uid})"
    if _POSIX and found.st_mode & _WRITABLE_BY_OTHERS:
        return f"can be written by others (mode {stat.S_IMODE(found.st_mode):04o}); it should have mode 0700"
    return None


def _make_folder(folder: Path) -> None:
    if _look(folder.parent) is None:
        _make_folder(folder.parent)
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:
        return  # somebody else was faster
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what happened to names in *folder* survive a crash; Windows has no such call."""
    if not _POSIX:
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(opened)


def _after_fork() -> None:
    """Close in a child the locks that its parent holds: they are to end with the parent, not with the last child."""
    while _opened:
        os.close(_opened.pop())


with suppress(AttributeError):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
