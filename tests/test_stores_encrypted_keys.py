"""Keys for encryption: from the environment, from a file, and what is none."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from _marks import PASSWORD, chain, displays, held, leaks
from vendorauth.errors import ConfigurationError
from vendorauth.stores import EncryptedTokenStore, MemoryTokenStore, keys_from_env, keys_from_file

KEYS = [Fernet.generate_key().decode() for _ in range(3)]
ROOT, JANE, JOE = 0, 1000, 1001


def place_of(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    place = folder / "keys"
    place.write_bytes(content)
    place.chmod(mode)
    return place


def hide(error: BaseException) -> str:
    """Show all of *error* but the frames of the test."""
    return "\n".join([*displays(error), *displays(error.args), *held(error)])


@pytest.mark.parametrize("between", [",", " ", "\n", ", ", "\r\n\r\n"])
def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    """Several keys stand in one variable, the newest first, separated by commas or blanks."""
    monkeypatch.setenv("VENDORAUTH_KEYS", between.join(KEYS) + between)
    assert KEYS == keys_from_env()
    monkeypatch.setenv("ANOTHER", KEYS[0])
    assert [KEYS[0]] == keys_from_env("ANOTHER")


@pytest.mark.parametrize("text", [None, "", " \n", ","])
def test_nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """A variable that is not set, or has no key, is named, and so is what makes one."""
    monkeypatch.delenv("VENDORAUTH_KEYS", raising=False)
    if text is not None:
        monkeypatch.setenv("VENDORAUTH_KEYS", text)
    expected = "^the environment variable VENDORAUTH_KEYS has no key: `vendorauth key` makes one$"
    with pytest.raises(ConfigurationError, match=expected):
        keys_from_env()


def test_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of a file has a key; its path may begin with a tilde."""
    place = place_of(tmp_path, "\n".join([*KEYS, ""]).encode())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert KEYS == keys_from_file(place) == keys_from_file(str(place)) == keys_from_file("~/keys")


def owned(monkeypatch: pytest.MonkeyPatch, owner: int, mode: int) -> None:
    """Let files be *owner*'s, for a process of user 1000; tests may run as root, who owns all and may all."""
    found = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, owner, 44, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda _: found)
    monkeypatch.setattr(os, "geteuid", lambda: JANE)


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
@pytest.mark.parametrize(
    ("owner", "mode", "problem"),
    [
        *((JANE, mode, "may be read by others: give it mode 0600") for mode in (0o640, 0o604, 0o620, 0o601, 0o666)),
        *((ROOT, mode, "may be written by others: give it mode 0444") for mode in (0o664, 0o446)),
        (JOE, 0o600, "belongs to another user (1001)"),
        (JOE, 0o444, "belongs to another user (1001)"),
    ],
)
def test_a_file_that_others_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, problem: str
) -> None:
    """DESIGN 7: A file of keys that others may read or write, beyond what root does, is refused, and not read."""
    place = place_of(tmp_path, PASSWORD.encode())
    owned(monkeypatch, owner, mode)
    with pytest.raises(ConfigurationError) as caught:
        keys_from_file(place)
    assert f"{place} {problem}" == str(caught.value)
    assert set() == leaks(hide(caught.value), [PASSWORD])


@pytest.mark.parametrize(
    ("owner", "mode"), [(JANE, 0o600), (JANE, 0o400), (ROOT, 0o400), (ROOT, 0o440), (ROOT, 0o444), (ROOT, 0o644)]
)
def test_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int) -> None:
    """A file that only its owner can use is read, and a container's secret, which root has mounted for all in it."""
    place = place_of(tmp_path, KEYS[0].encode())
    owned(monkeypatch, owner, mode)
    assert [KEYS[0]] == keys_from_file(place)


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
def test_the_owner_is_looked_at(tmp_path: Path) -> None:
    """A real file that everybody may write is refused, whoever owns it."""
    with pytest.raises(ConfigurationError, match=r"by others: give it mode"):
        keys_from_file(place_of(tmp_path, KEYS[0].encode(), 0o666))
    assert [KEYS[0]] == keys_from_file(place_of(tmp_path, KEYS[0].encode(), 0o400))


NO_FILES = {"empty": b"", "blank": b" \n\n", "UTF-16": PASSWORD.encode("utf-16"), "bytes": b"\xff" + PASSWORD.encode()}


@pytest.mark.parametrize("kind", NO_FILES)
def test_files_without_keys(tmp_path: Path, kind: str) -> None:
    """A file without a key, or of something else than text, is a ConfigurationError that shows nothing of it."""
    place = place_of(tmp_path, NO_FILES[kind])
    with pytest.raises(ConfigurationError) as caught:
        keys_from_file(place)
    assert str(place) in str(caught.value)
    assert [caught.value] == chain(caught.value)
    assert set() == leaks(hide(caught.value), [PASSWORD])


@pytest.mark.parametrize("path", ["missing", ".", "a\0b", "~nobody-here/keys"])
def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What is no file that can be read is a ConfigurationError that names it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        keys_from_file(path)
    assert path.strip("./") in str(caught.value)


def test_the_keys_may_be_one() -> None:
    """A single key needs no list, and may be bytes."""
    for keys in (KEYS[0], KEYS[0].encode(), [KEYS[0]], [KEYS[0].encode(), KEYS[1]]):
        EncryptedTokenStore(MemoryTokenStore(), keys)  # type: ignore[arg-type]  # bytes are no list of bytes


NO_KEYS: dict[str, Callable[[], object]] = {
    "none": list,
    "empty": lambda: [""],
    "short": lambda: [PASSWORD],
    "second": lambda: [KEYS[0], PASSWORD],
    "bytes": lambda: [PASSWORD.encode()],
    "text": lambda: PASSWORD,
    "two in one": lambda: [KEYS[0] + KEYS[1]],
    "two in one line": lambda: [f"{KEYS[0]};{KEYS[1]}"],
    "no ASCII": lambda: ["é" * 44],
    "number": lambda: [5],
    "nothing": lambda: None,
}


@pytest.mark.parametrize("kind", NO_KEYS)
def test_what_is_no_key(kind: str) -> None:
    """What is no key is a ConfigurationError when the store is made, and is shown neither there nor in a frame."""
    with pytest.raises(ConfigurationError, match=r"^keys must be one or more keys of 32 bytes") as caught:
        EncryptedTokenStore(MemoryTokenStore(), NO_KEYS[kind]())  # type: ignore[arg-type]
    assert [caught.value] == chain(caught.value)
    assert set() == leaks(hide(caught.value), [PASSWORD, KEYS[0]])
