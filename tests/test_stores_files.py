from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from _stores import home
from vendorauth.errors import StoreUnavailable
from vendorauth.stores import FileTokenStore, _files
from vendorauth.tokens import Token

__all__ = ["home"]

TOKEN = Token(value="s3cret-value", issued_at=datetime(2025, 1, 1, tzinfo=UTC), generation=5)


@pytest.fixture
def store(home: Path) -> FileTokenStore:
    return FileTokenStore(home)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def set_mode(path: Path, bits: int) -> None:
    path.chmod(bits)


@pytest.fixture
def failing_sync(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``fsync`` fail with the number that the test gives."""

    def fail(_: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.usefixtures("failing_sync")
@pytest.mark.parametrize("failing_sync", [errno.EINVAL, errno.EBADF], indirect=True)
def test_a_folder_that_knows_no_sync(home: Path) -> None:
    """A file system that can't sync folders is fine."""
    _files.sync_folder(home)


@pytest.mark.usefixtures("failing_sync")
@pytest.mark.parametrize("failing_sync", [errno.EIO], indirect=True)
def test_a_folder_that_fails_to_sync(home: Path) -> None:
    """A file system that fails at it is not."""
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        _files.sync_folder(home)


async def refused(store: FileTokenStore, why: str) -> None:
    """Nothing works in a directory that is not ours alone."""
    with pytest.raises(StoreUnavailable, match=why):
        await store.load("a")
    with pytest.raises(StoreUnavailable, match=why):
        await store.save("a", TOKEN)
    with pytest.raises(StoreUnavailable, match=why):
        await store.delete("a")
    with pytest.raises(StoreUnavailable, match=why):
        async with store.lock("a"):
            pytest.fail("locked")


@pytest.mark.parametrize("bits", [0o770, 0o702, 0o1777])
async def test_a_directory_that_others_can_write(bits: int, store: FileTokenStore, home: Path) -> None:
    """A directory that group or others can write is refused, a sticky one too (DESIGN §7)."""
    set_mode(home, bits)
    await refused(store, f"^{home} can be written by others \\(mode {bits:04o}\\); it should have mode 0700$")
    set_mode(home, 0o755)
    await store.save("a", TOKEN)


async def test_a_link_in_place_of_the_directory(home: Path, tmp_path: Path) -> None:
    """The last component of the directory is no link, with a slash at its end neither; those above may be."""
    (tmp_path / "link").symlink_to(home)
    await refused(FileTokenStore(f"{tmp_path}/link/"), "link is a symbolic link$")
    (tmp_path / "above").symlink_to(tmp_path)
    await FileTokenStore(tmp_path / "above" / "tokens").save("a", TOKEN)


async def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    """A file in place of the directory, or above it, is told."""
    (tmp_path / "file").write_bytes(b"")
    await refused(FileTokenStore(tmp_path / "file"), "file is not a directory$")
    await refused(FileTokenStore(tmp_path / "file" / "below"), "below: Not a directory$")


async def test_a_directory_of_somebody_else(store: FileTokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of another user is refused; one of root, or our own, is not."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    monkeypatch.setattr(_files, "_ROOT", owner)
    await store.save("a", TOKEN)
    monkeypatch.setattr(_files, "_ROOT", owner + 2)
    await refused(store, f"belongs to another user \\({owner}\\)$")


async def test_where_rights_mean_nothing(store: FileTokenStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without POSIX rights (Windows) none are judged, and folders are not synced."""
    set_mode(home, 0o777)
    monkeypatch.setattr(_files, "_POSIX", False)
    await store.save("a", TOKEN)
    assert TOKEN == await store.load("a")


def test_two_make_the_directory(home: Path) -> None:
    """Who comes second when a directory is made goes on with it."""
    _files._make_folder(home)
    assert 0o700 == mode(home)
