"""
Keep an export's file and its state, so that one that is killed at any moment can go on.

Three files: ``OUT.state`` says what was asked for and how far it has come, ``OUT.part`` has the data, and becomes ``OUT``
when it is complete. The state is written after the data it speaks of has reached the disk, so it never says more than
there is; what the data has beyond it is cut off before an export goes on. Whoever has the lock of the data may touch any
of the three, from before the state is read until the data has its name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, final

import attrs
import msgspec
from filelock import lock_descriptor

from vendorauth._wire import structure
from vendorauth.cli.writing import move_file, replace_file
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.stores._files import sync_folder

_VERSION: Final = 1
_OPEN: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_BUFFER: Final = 1024 * 1024
_AGAIN: Final = "begin anew with --restart"
_CLOSED_TO_MOVE: Final = os.name == "nt"
"""Whether this system renames no file that is open, so that its lock has to go before."""


@attrs.frozen(kw_only=True)
class Progress:
    """
    Say how far an export has come: everything before *done* is in the first *size* bytes of the data.

    *options* is what was asked for; *start* and *end* are what that meant when it began. *edge* has the ids of events
    that the next part of the time may bring once more.
    """

    options: Mapping[str, str]
    start: datetime
    end: datetime
    done: datetime
    size: int = 0
    events: int = 0
    edge: tuple[str, ...] = ()
    version: int = _VERSION

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be done."""
        return self.done >= self.end


@final
class ExportFile:
    """
    Be the file *out* of one export, begun as *fresh* says, or found as a run before has left it.

    With *restart* it is begun anew; a file *out* that is there stays until it is replaced by the complete one.

    Raises:
        ConfigurationError: *out* exists, was begun with other options, is being written, or is not as it was left.
        OSError: The files can't be written.
    """

    def __init__(self, out: Path, fresh: Progress, *, restart: bool) -> None:
        self._out = out
        self._state = out.with_name(f"{out.name}.state")
        self._part = out.with_name(f"{out.name}.part")
        if not restart:
            self._refuse_others()
        self._file: Final = self._locked()
        try:
            found = None if restart else self._found(fresh)
            self.resumed: Final = found is not None
            self.progress: Progress = found or fresh
            if found is None:
                self._save(fresh)
            self._is_moved: Final = self._ended_with_the_move()
            if not self._is_moved:
                self._go_on()
        except BaseException:  # a kill by Ctrl-C as well: the lock goes with the file
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def is_empty(self) -> bool:
        """Whether not a byte is in it yet."""
        return self.progress.size == 0

    def write(self, content: bytes) -> None:
        """Add *content*, which counts from the next `commit` on."""
        self._file.write(content)

    def commit(self, *, done: datetime, events: int, edge: tuple[str, ...]) -> None:
        """Bring what was written to the disk, then the state that speaks of it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        progress = attrs.evolve(self.progress, done=done, size=size, events=self.progress.events + events, edge=edge)
        self._save(progress)
        self.progress = progress

    def finish(self) -> None:
        """Give the complete data its name, and forget the state."""
        self._file.flush()
        if _CLOSED_TO_MOVE:
            self._file.close()
        if self._is_moved:
            self._part.unlink()
        else:
            move_file(self._part, self._out)
        self._state.unlink(missing_ok=True)
        sync_folder(self._out.parent)

    def _found(self, fresh: Progress) -> Progress | None:
        try:
            content = self._state.read_bytes()
        except FileNotFoundError:
            return None
        progress = self._read(content)
        changed = sorted(key for key, value in fresh.options.items() if progress.options.get(key) != value)
        if changed:
            was = progress.options.get(changed[0], "nothing")
            message = f"{self._out} was begun with another {changed[0]} ({was}): give the same, or {_AGAIN}"
            raise ConfigurationError(message)
        return progress

    def _refuse_others(self) -> None:
        """Leave alone what no export of ours has left; an empty one may have been killed before it had a state."""
        if self._state.exists():
            return
        for path, counts in ((self._out, self._out.exists()), (self._part, _size(self._part) > 0)):
            if counts:
                message = f"{path} exists: take another name, or {_AGAIN}"
                raise ConfigurationError(message)

    def _read(self, content: bytes) -> Progress:
        try:
            progress = structure(msgspec.json.decode(content), Progress, "the state")
        except (ProtocolError, ValueError):
            progress = None
        if progress is not None and progress.version == _VERSION:
            return progress
        message = f"{self._state} is no state of this release's: {_AGAIN}"
        raise ConfigurationError(message)

    def _locked(self) -> BinaryIO:
        """Open the data, and lock it; only then anything may be changed, even where an export begins anew."""
        file = os.fdopen(os.open(self._part, _OPEN, 0o600), "r+b", buffering=_BUFFER)
        if lock_descriptor(file.fileno(), blocking=False) and self._is_still_there(file):
            return file
        file.close()
        message = f"{self._part} is being written by another export: wait for it, stop it, or take another name"
        raise ConfigurationError(message)

    def _is_still_there(self, file: BinaryIO) -> bool:
        """Tell whether nobody has renamed *file* between its opening and its lock."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._part.stat())
        except FileNotFoundError:
            return False

    def _ended_with_the_move(self) -> bool:
        """Tell whether the run before ended between its last two steps; the data that is there now is new, and empty."""
        size = self.progress.size
        return self.progress.complete and _size(self._part) == 0 < size == _size(self._out)

    def _go_on(self) -> None:
        if _size(self._part) < self.progress.size:
            message = f"{self._part} has lost data that its state speaks of: {_AGAIN}"
            raise ConfigurationError(message)
        self._file.truncate(self.progress.size)
        self._file.seek(self.progress.size)

    def _save(self, progress: Progress) -> None:
        replace_file(self._state, msgspec.json.encode(attrs.asdict(progress)))


def _size(path: Path) -> int:
    """Give the size of the file at *path*, in bytes; -1 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
