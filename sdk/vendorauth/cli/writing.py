"""Write files so that a crash leaves the old content or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from vendorauth.stores._files import sync_folder

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def replace_file(path: Path, content: bytes) -> None:
    """Give *path* this *content*, mode 0600, whole or not at all, a power cut included."""
    temporary = path.with_name(f"{path.name}.tmp")
    with os.fdopen(os.open(temporary, _CREATE, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    move_file(temporary, path)


def move_file(source: Path, target: Path) -> None:
    """Rename *source* to *target*, in the same folder, for good."""
    source.replace(target)
    sync_folder(target.parent)
