"""Tokens in the operating system's keychain: split, put together, and never a wrong one."""

from __future__ import annotations

import copy
import pickle
import stat
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import keyring
import keyring.core
import platformdirs
import pytest
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringError, KeyringLocked

from _keyring import LONGEST, DriversError, FailingKeyring, FolderKeyring, Killed, MortalKeyring
from _marks import PASSWORD, chain, held, leaks
from _stores import told
from vendorauth.errors import ConfigurationError, StoreConflict, StoreError, StoreUnavailable
from vendorauth.stores import KeyringTokenStore
from vendorauth.stores._names import stored_name
from vendorauth.tokens import Token

__all__ = ["told"]

ACCOUNT = "jané@example.com|日本"
SMALL = Token(value=PASSWORD, issued_at=datetime(2026, 1, 1, tzinfo=UTC), generation=1)
COGNITO = attrs.evolve(SMALL, value=PASSWORD + "v" * 1200, refresh_token=PASSWORD + "r" * 1800, generation=2)
"""As large as what Amazon Cognito gives."""
LONGER = attrs.evolve(COGNITO, details={"access_token": "a" * 2000}, generation=3)
SHORTER = attrs.evolve(SMALL, generation=4)


@pytest.fixture(autouse=True)
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MortalKeyring:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)  # put back at the end
    keyring.set_keyring(made := MortalKeyring(tmp_path / "keys"))
    return made


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def store(locks: Path) -> KeyringTokenStore:
    return KeyringTokenStore("service", lock_directory=locks)


def found(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def names(folder: Path) -> list[str]:
    return [path.name for path in found(folder)]


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_long_token_is_split(store: KeyringTokenStore, backend: FolderKeyring, locks: Path) -> None:
    """A Cognito set is longer than Windows' entries: it is split, comes back whole, and nothing is left when deleted."""
    assert await store.load(ACCOUNT) is None
    await store.save(ACCOUNT, COGNITO)
    entries = backend.entries()
    assert 4 < len(entries)
    assert LONGEST < sum(len(text) for text in entries.values())
    assert COGNITO == await store.load(ACCOUNT)
    assert COGNITO == await KeyringTokenStore("service", lock_directory=locks).load(ACCOUNT)
    assert await KeyringTokenStore("another", lock_directory=locks).load(ACCOUNT) is None
    await store.delete(ACCOUNT)
    assert {} == backend.entries()
    assert await store.load(ACCOUNT) is None
    await store.delete(ACCOUNT)


async def test_any_account(store: KeyringTokenStore) -> None:
    """Accounts may have any characters, half ones too; each has entries of its own, the refusal beside it too."""
    accounts = ["a", "A", "ä", "\N{SNAKE}", "\ud800", "a/../b", f"{ACCOUNT}|refused", ACCOUNT]
    for number, account in enumerate(accounts):
        await store.save(account, attrs.evolve(SMALL, generation=number))
    found = [await store.load(account) for account in accounts]
    assert list(range(len(accounts))) == [one.generation for one in found if one]


async def test_names_tell_nothing(store: KeyringTokenStore, backend: FolderKeyring, locks: Path) -> None:
    """DESIGN 7: neither names of entries nor anything in the directory of locks tells of the account or the token."""
    await store.save(ACCOUNT, COGNITO)
    async with store.lock(ACCOUNT):
        all_names = [*backend.entries(), *names(locks)]
        contents = b"".join(path.read_bytes() for path in found(locks))
    assert {True} == {stored_name(ACCOUNT) in name for name in all_names}
    assert set() == leaks(" ".join(all_names), (PASSWORD, "jané@example.com"))
    assert set() == leaks(contents, (PASSWORD, "jané@example.com"))
    assert "KeyringTokenStore('service')" == repr(store)


async def test_an_older_token_is_refused(store: KeyringTokenStore) -> None:
    """An older generation is a StoreConflict and changes nothing; the same one is saved again."""
    await store.save(ACCOUNT, COGNITO)
    with pytest.raises(StoreConflict, match="generation 2 is stored, which is newer than 1"):
        await store.save(ACCOUNT, SMALL)
    assert COGNITO == await store.load(ACCOUNT)
    rolled = attrs.evolve(COGNITO, value="rolled")
    await store.save(ACCOUNT, rolled)
    assert rolled == await store.load(ACCOUNT)


async def failing_at(backend: MortalKeyring, steps: int, call: Callable[[], Awaitable[None]]) -> bool:
    """Await *call* with a keychain that fails after so many steps; tell whether it came to its end."""
    backend.left = steps
    try:
        await call()
    except (Killed, StoreUnavailable):
        return False
    finally:
        backend.left = None
    return True


@pytest.mark.parametrize(
    ("old", "new", "kill"),
    [(SMALL, COGNITO, True), (COGNITO, LONGER, False), (LONGER, SHORTER, True)],
    ids=["grows, killed", "grows, refused", "shrinks, killed"],
)
async def test_a_crash_while_saving(
    store: KeyringTokenStore, backend: MortalKeyring, old: Token, new: Token, kill: bool, told: list[StoreError]
) -> None:
    """
    Killed, or refused, before any step of a save, it leaves the old token or the new one (pitfalls 20, 29).

    Nobody need hear of it, whatever follows works, and the next save leaves what a save without a crash leaves.
    """
    if not kill:
        backend.error = lambda: KeyringError(PASSWORD)
    last = attrs.evolve(old, generation=9)
    await store.save("clean", last)
    clean = len(backend.entries())
    found = set[int]()
    for steps in range(100):
        await store.delete(ACCOUNT)
        await store.save(ACCOUNT, old)
        ended = await failing_at(backend, steps, lambda: store.save(ACCOUNT, new))
        left = await store.load(ACCOUNT)
        assert left in (old, new)
        found.add(left.generation)
        # Crashing again at the same step must be no worse.
        await failing_at(backend, steps, lambda: store.save(ACCOUNT, new))
        assert await store.load(ACCOUNT) in (left, new)
        await store.save(ACCOUNT, last)
        assert last == await store.load(ACCOUNT)
        assert 2 * clean == len(backend.entries())
        if ended:
            break
    assert steps >= 4
    assert {old.generation, new.generation} == found
    assert [] == told


async def test_a_crash_while_the_first_token_is_saved(store: KeyringTokenStore, backend: MortalKeyring) -> None:
    """Where nothing was stored, a crash leaves nothing or the token; logging out then leaves no piece of it."""
    for steps in range(100):
        ended = await failing_at(backend, steps, lambda: store.save(ACCOUNT, COGNITO))
        assert await store.load(ACCOUNT) in (None, COGNITO)
        await store.delete(ACCOUNT)
        assert {} == backend.entries()
        if ended:
            break
    assert steps >= 4


async def test_a_crash_while_deleting(store: KeyringTokenStore, backend: MortalKeyring) -> None:
    """A crash while deleting leaves the token or nothing, and never brings an older one back; deleting again ends it."""
    crashes = 0
    for saving in range(100):
        await store.delete(ACCOUNT)
        await store.save(ACCOUNT, COGNITO)
        if await failing_at(backend, saving, lambda: store.save(ACCOUNT, SHORTER)):
            break
        current = await store.load(ACCOUNT)
        state = backend.entries()
        for deleting in range(100):
            for name, text in state.items():
                (backend.folder / name).write_text(text)
            ended = await failing_at(backend, deleting, lambda: store.delete(ACCOUNT))
            assert await store.load(ACCOUNT) in (None, current)
            await store.delete(ACCOUNT)
            assert {} == backend.entries()
            if ended:
                break
            crashes += 1
    assert crashes >= 20


SPOILERS: dict[str, Callable[[str, str], str | None]] = {
    "removed": lambda text, other: None,
    "emptied": lambda text, other: "",
    "halved": lambda text, other: text[: len(text) // 2],
    "one character": lambda text, other: ("B" if text[0] == "A" else "A") + text[1:],
    "last character": lambda text, other: text[:-1] + "=",
    "no ASCII": lambda text, other: "\N{SNAKE}" + text[1:],
    "another token's": lambda text, other: other,
}


@pytest.mark.parametrize("spoiler", SPOILERS)
async def test_torn_and_mixed_pieces(
    store: KeyringTokenStore, backend: FolderKeyring, told: list[StoreError], spoiler: str
) -> None:
    """
    Rule 16: Pieces that are gone, altered, or another token's are never put together: that is told, and counts as empty.

    Without a head there is nothing, and nothing to tell. A token can be saved again.
    """
    await store.save("another", attrs.evolve(COGNITO, value=COGNITO.value[::-1]))
    theirs = list(backend.entries().values())
    await store.delete("another")
    await store.save(ACCOUNT, COGNITO)
    for number, name in enumerate(backend.entries()):
        whole, entry = backend.entries(), backend.folder / name
        spoiled = SPOILERS[spoiler](whole[name], theirs[number])
        if spoiled == whole[name]:
            continue
        entry.write_text(spoiled) if spoiled is not None else entry.unlink()
        assert await store.load(ACCOUNT) is None
        assert (spoiled is None and number == 0) or "it is treated as empty" in str(told.pop())
        assert [] == told
        await store.save(ACCOUNT, SMALL)
        assert SMALL == await store.load(ACCOUNT)
        told.clear()
        await store.delete(ACCOUNT)
        assert {} == backend.entries()
        for other, text in whole.items():
            (backend.folder / other).write_text(text)
    assert COGNITO == await store.load(ACCOUNT)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (fail.Keyring, "there is no keychain that the package keyring can use: install a backend for it"),
        (null.Keyring, "the keychain does not give back what it was given: it may be switched off"),
    ],
)
async def test_no_keychain(store: KeyringTokenStore, kind: type[fail.Keyring | null.Keyring], text: str) -> None:
    """Where keyring finds no backend, or was switched off, saving is StoreUnavailable, and says what to do."""
    keyring.set_keyring(kind())
    with pytest.raises(StoreUnavailable) as caught:
        await store.save(ACCOUNT, SMALL)
    assert str(caught.value).startswith(text)
    assert "take another store" in str(caught.value)


async def test_a_chain_of_keychains(
    store: KeyringTokenStore, backend: FolderKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works through keyring's chain of backends."""
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [backend])
    keyring.set_keyring(chainer.ChainerBackend())  # type: ignore[no-untyped-call]  # keyring's
    await store.save(ACCOUNT, COGNITO)
    assert COGNITO == await store.load(ACCOUNT)
    await store.delete(ACCOUNT)
    assert {} == backend.entries()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (KeyringLocked, "the keychain is locked, and was not unlocked: unlock it"),
        (KeyringError, "the keychain can't be used: KeyringError"),
        (RuntimeError, "the keychain can't be used: RuntimeError"),
        (PermissionError, "the keychain can't be used: PermissionError"),
        (DriversError, "the keychain can't be used: DriversError"),
    ],
)
async def test_a_keychain_that_refuses(
    store: KeyringTokenStore, tmp_path: Path, kind: type[Exception], text: str
) -> None:
    """Whatever a keychain's driver raises is StoreUnavailable; neither its text nor a frame of its shows a secret."""
    keyring.set_keyring(FailingKeyring(tmp_path / "failing", kind, PASSWORD))
    for call in (store.load, partial(store.save, token=COGNITO), store.delete):
        with pytest.raises(StoreUnavailable) as caught:
            await call(ACCOUNT)
        assert text == str(caught.value)
        assert [caught.value] == chain(caught.value)
        assert set() == leaks("\n".join(held(caught.value)), [PASSWORD])


async def test_a_token_that_can_not_be_written(store: KeyringTokenStore, backend: FolderKeyring) -> None:
    """A token that JSON can't say is StoreUnavailable, before anything is written; the traceback shows no secret."""
    with pytest.raises(StoreUnavailable, match="can't be written as JSON") as caught:
        await store.save(ACCOUNT, attrs.evolve(COGNITO, details={"hidden": object()}))
    assert set() == leaks("\n".join(held(caught.value)), [PASSWORD])
    assert {} == backend.entries()


async def test_its_lock_directory(store: KeyringTokenStore, locks: Path) -> None:
    """The directory of its locks is made with mode 0700, the locks have 0600; one that others can write is refused."""
    await store.save(ACCOUNT, SMALL)
    async with store.lock(ACCOUNT):
        modes = {mode(path) for path in found(locks)}
    assert (0o700, {0o600}) == (mode(locks), modes)
    open_to_all(locks)
    for call in (
        store.load,
        store.delete,
        partial(store.save, token=SMALL),
        lambda name: store.lock(name).__aenter__(),
    ):
        with pytest.raises(StoreUnavailable, match="can be written by others"):
            await call(ACCOUNT)


@pytest.mark.skipif(sys.platform != "linux", reason="the place of users' state differs")
async def test_where_locks_lie_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory of their own, locks lie below the user's state directory, and stay there after a chdir()."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    await KeyringTokenStore().save(ACCOUNT, SMALL)
    assert platformdirs.user_state_path("vendorauth") == tmp_path / "state" / "vendorauth"
    assert [f"{stored_name(ACCOUNT)}.save.lock"] == names(tmp_path / "state" / "vendorauth" / "locks")
    monkeypatch.chdir(tmp_path)
    relative = KeyringTokenStore(lock_directory="relative")
    monkeypatch.chdir("/")
    await relative.load(ACCOUNT)
    assert (tmp_path / "relative").is_dir()


@pytest.mark.parametrize(
    "options", [{"service": ""}, {"lock_directory": ""}, {"lock_directory": "~nobody-here/x"}, {"lock_timeout": -1.0}]
)
def test_arguments_that_can_not_be(options: dict[str, object]) -> None:
    """What can't be right is said when the store is made."""
    make: Callable[..., object] = KeyringTokenStore
    with pytest.raises(ConfigurationError):
        make(**options)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))])
async def test_copies(
    store: KeyringTokenStore, locks: Path, again: Callable[[KeyringTokenStore], KeyringTokenStore]
) -> None:
    """A copy, or what a spawned process unpickles, is the same store (pitfall 47); its lock is the same lock."""
    await store.save(ACCOUNT, COGNITO)
    other = again(KeyringTokenStore("service", lock_directory=locks, lock_timeout=0.01))
    assert COGNITO == await other.load(ACCOUNT)
    async with store.lock(ACCOUNT):
        with pytest.raises(StoreError, match=r"was held by somebody else for 0\.01 seconds"):
            await other.lock(ACCOUNT).__aenter__()
