"""Be a keychain in a folder, as strict as Windows' about lengths and as clumsy as macOS' about replacing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError, PasswordSetError

LONGEST = 2560


class FolderKeyring(KeyringBackend):
    """Keep each entry in a file, for several processes. It looks for nobody else's files, and never replaces one."""

    priority = 1

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring's
        folder.mkdir(exist_ok=True)
        self.folder = folder

    def get_password(self, service: str, username: str) -> str | None:
        try:
            return self._entry(service, username).read_text()
        except FileNotFoundError:
            return None

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > LONGEST:
            message = "too long"
            raise PasswordSetError(message)
        entry = self._entry(service, username)
        if entry.exists():
            self.step()
            entry.unlink()
        self.step()
        entry.write_text(password)

    def delete_password(self, service: str, username: str) -> None:
        self.step()
        try:
            self._entry(service, username).unlink()
        except FileNotFoundError as error:
            message = "not there"
            raise PasswordDeleteError(message) from error

    def entries(self) -> dict[str, str]:
        """Give all that is in it, by name."""
        return {path.name: path.read_text() for path in sorted(self.folder.iterdir())}

    def step(self) -> None:
        """Come to a point where a process may be killed."""

    def _entry(self, service: str, username: str) -> Path:
        return self.folder / f"{service} {username}"


class MortalKeyring(FolderKeyring):
    """Fail at the step after *left* more, and at all that follow, unless that is ``None``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.left: int | None = None
        self.error: Callable[[], BaseException] = Killed

    def step(self) -> None:
        if self.left is None:
            return
        if self.left <= 0:
            raise self.error()
        self.left -= 1


class Killed(BaseException):
    """Stand for SIGKILL."""


class HangingKeyring(FolderKeyring):
    """Ask a person who is away, until `back` is set, in every thread that writes or reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.back = threading.Event()
        self.asked: list[threading.Thread] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(threading.current_thread())
        assert self.back.wait(30)
        return super().get_password(service, username)


class DriversError(Exception):
    """What D-Bus' and Windows' drivers raise derives from nothing of keyring's."""


class FailingKeyring(FolderKeyring):
    """Raise an error of *kind* that says *text*, whatever is asked."""

    def __init__(self, folder: Path, kind: type[Exception], text: str) -> None:
        super().__init__(folder)
        self._kind = kind
        self._text = text

    def get_password(self, service: str, username: str) -> str | None:
        raise self._kind(self._text)
