"""Encrypt what another store keeps. Needs the extra ``encryption``."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, final

import attrs
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from vendorauth._tracebacks import discreet, discreetly_awaited
from vendorauth.errors import ConfigurationError, StoreUnreadable
from vendorauth.stores._names import stored_name
from vendorauth.stores._protocol import TokenStore
from vendorauth.stores._records import END_OF_REFRESH, NoRecord, read, write
from vendorauth.tokens import JSON, Token

_MARK: Final = "encrypted"
_HIDDEN: Final = "encrypted"
_LENGTH: Final = 44
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_ROOT: Final = 0


@final
@discreet
class EncryptedTokenStore:
    """
    Encrypt a token before *inner* stores it: `cryptography.fernet.MultiFernet`, AES-128-CBC with HMAC-SHA256.

    The first of *keys* encrypts, all of them decrypt, so that a key is replaced by putting a new one in front; a record
    under an old key is encrypted under the first one when it is saved next. What stays readable in *inner* are the
    times, the generation, and whether there is a refresh token; none of it can be altered without being noticed, and a
    record is bound to its account. What can't be noticed is that a whole older record was put back.

    A key is made by ``vendorauth key``, or `cryptography.fernet.Fernet.generate_key`. A store can be pickled and copied
    where *inner* can, for processes that are spawned; the pickle holds the keys.

    Raises:
        ConfigurationError: There is no key, or one that is none.
    """

    def __init__(self, inner: TokenStore, keys: Sequence[str | bytes]) -> None:
        self._inner = inner
        self._fernet = _fernet(keys)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"

    @discreetly_awaited
    async def load(self, account: str) -> Token | None:
        """
        Give what is stored for *account*, or ``None``.

        Raises:
            StoreUnreadable: It is under none of the keys, or not encrypted, altered, or another account's; it stays as it is.
            StoreError: As *inner*.
        """
        stored = await self._inner.load(account)
        return None if stored is None else self._opened(account, stored)

    @discreetly_awaited
    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*, encrypted under the first key.

        Raises:
            StoreUnreadable: What is stored can't be read, as for `load`; it stays as it is.
            StoreError: As *inner*.
        """
        await self.load(account)
        await self._inner.save(account, self._sealed(account, token))

    async def delete(self, account: str) -> None:
        """Forget *account*, whatever key its record is under. Raises as *inner*."""
        await self._inner.delete(account)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Hold *account*'s lock, which is *inner*'s. Raises as *inner*."""
        return self._inner.lock(account)

    def _sealed(self, account: str, token: Token) -> Token:
        content = stored_name(account).encode() + write(token)
        # For stores that forget what nobody can use any more.
        end = _end(token)
        return attrs.evolve(
            token,
            value=self._fernet.encrypt(content).decode(),
            refresh_token=None if token.refresh_token is None else _HIDDEN,
            details={_MARK: 1} if end is None else {_MARK: 1, END_OF_REFRESH: end},
        )

    def _opened(self, account: str, stored: Token) -> Token:
        if _MARK not in stored.details:
            message = "the stored record is not encrypted"
            raise StoreUnreadable(message)
        opened = self._read(stored_name(account).encode(), stored.value)
        if isinstance(opened, str):
            raise StoreUnreadable(opened)
        if _readable(opened) != _readable(stored):
            message = "the times or the generation of the stored record were altered"
            raise StoreUnreadable(message)
        return opened

    def _read(self, name: bytes, value: str) -> Token | str:
        """Give the token, or what is wrong."""
        try:
            content = self._fernet.decrypt(value)
        except (InvalidToken, ValueError):
            return "the stored record is under none of the keys"
        if not content.startswith(name):
            return "the stored record is another account's"
        try:
            return read(content.removeprefix(name))
        except (NoRecord, StoreUnreadable) as error:
            return f"{error}, though it is under one of the keys"


def _readable(token: Token) -> tuple[object, ...]:
    return token.issued_at, token.expires_at, token.refresh_token is None, token.generation, _end(token)


def _end(token: Token) -> JSON:
    end = token.details.get(END_OF_REFRESH)
    return end if type(end) in {int, float} else None


def _fernet(keys: Sequence[str | bytes]) -> MultiFernet:
    try:
        return MultiFernet([_key(key) for key in ([keys] if isinstance(keys, str | bytes) else keys)])
    except (ValueError, TypeError, AttributeError):  # the last two from untyped code
        message = "keys must be one or more keys of 32 bytes, in URL-safe base64: `vendorauth key` makes one"
    raise ConfigurationError(message)


def _key(key: str | bytes) -> Fernet:
    # Two keys in one would be read as the first of them: base64 ends where it is padded.
    if len(key.strip()) != _LENGTH:
        raise ValueError
    return Fernet(key)


def keys_from_env(name: str = "VENDORAUTH_KEYS") -> list[str]:
    """
    Read the keys for `EncryptedTokenStore` from the environment variable *name*, separated by blanks or commas.

    Raises:
        ConfigurationError: It is not set, or empty.
    """
    return _keys(os.environ.get(name, ""), f"the environment variable {name}")


def keys_from_file(path: str | os.PathLike[str]) -> list[str]:
    """
    Read the keys for `EncryptedTokenStore` from a file, the newest first, separated by line ends, blanks or commas.

    It blocks for a moment. *path* may begin with ``~``. POSIX: a file of your own must be nobody else's to read (mode
    0600). One of root's may be, because that is how secrets are mounted into a container, where you could not change it
    (Docker: 0444, Kubernetes: 0644, systemd: 0440); but nobody else may write it.

    Raises:
        ConfigurationError: The file can't be read, has no key, or is others' to use as said above.
    """
    try:
        place = Path(path).expanduser()
        with place.open(encoding="ascii") as file:
            problem = _problem(os.fstat(file.fileno())) if os.name == "posix" else None
            text = file.read() if problem is None else ""
    except OSError as error:
        message = f"{path}: {error.strerror}"
    except (RuntimeError, ValueError):  # no such home directory; not ASCII; a path with NUL
        message = f"{path} can't be read as a file of keys"
    else:
        if problem is None:
            return _keys(text, str(place))
        message = f"{place} {problem}"
    raise ConfigurationError(message)


def _problem(found: os.stat_result) -> str | None:
    if found.st_uid == _ROOT:
        return "may be written by others: give it mode 0444" if found.st_mode & _WRITABLE_BY_OTHERS else None
    if found.st_uid != os.geteuid():
        return f"belongs to another user ({found.st_uid})"
    return "may be read by others: give it mode 0600" if found.st_mode & _OTHERS else None


def _keys(text: str, place: str) -> list[str]:
    keys = text.replace(",", " ").split()
    if keys:
        return keys
    message = f"{place} has no key: `vendorauth key` makes one"
    raise ConfigurationError(message)
