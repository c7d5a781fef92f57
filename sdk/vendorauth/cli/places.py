"""Find the store that a profile names, and the key of encrypted files."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Final, assert_never

from platformdirs import user_state_path

from vendorauth.cli.choices import StoreKind
from vendorauth.cli.profiles import Profile
from vendorauth.errors import ConfigurationError
from vendorauth.stores import FileTokenStore, TokenStore

KEYS: Final = "VENDORAUTH_KEYS"
STATE: Final = "VENDORAUTH_STATE"

_SERVICE: Final = "vendorauth"
_KEY: Final = "key of encrypted files"
_NO_KEY: Final = (
    f"the key of encrypted files is neither in the keychain nor in the environment variable {KEYS}: "
    "`vendorauth key` makes one"
)


def state_folder() -> Path:
    """Give the folder for files with tokens: ``VENDORAUTH_STATE``, or the standard place of this system."""
    given = os.environ.get(STATE)
    return Path(given).expanduser() if given else user_state_path("vendorauth")


def store_of(profile: Profile, *, make_key: bool = False) -> TokenStore:
    """
    Make the store of *profile*; *make_key*: where it needs a key and there is none, make one in the keychain.

    Raises:
        ConfigurationError: An extra is missing, or the key.
    """
    try:
        return _store(profile.store, make_key=make_key)
    except ModuleNotFoundError as error:
        message = str(error)
    raise ConfigurationError(message)


def describe(kind: StoreKind) -> str:
    """Say where a store of this *kind* keeps tokens."""
    match kind:
        case "keyring":
            return "the keychain of this system"
        case "encrypted-file":
            key = f"the environment variable {KEYS}" if os.environ.get(KEYS) else "the keychain of this system"
            return f"an encrypted file in {_folder(kind)}, its key in {key}"
        case "file":
            return f"a file that only you may read (mode 0600, not encrypted) in {_folder(kind)}"
        case _:
            assert_never(kind)


def keychain_trouble() -> str | None:
    """Say why there is no keychain to use; ``None`` where there is one."""
    if not _is_installed("keyring"):
        return "the extra is missing: pip install 'vendorauth[keyring]'"
    import keyring  # noqa: PLC0415  an extra

    found = keyring.get_keyring()
    return None if found.priority >= 1 else "this system has no keychain that the package keyring can use"


def encryption_trouble() -> str | None:
    """Say why files can't be encrypted; ``None`` where they can."""
    if not _is_installed("cryptography"):
        return "the extra is missing: pip install 'vendorauth[encryption]'"
    if os.environ.get(KEYS) or keychain_trouble() is None:
        return None
    return f"there is no keychain for its key, and {KEYS} is not set: `vendorauth key` makes one"


def best_store() -> StoreKind:
    """Choose the safest store that works here."""
    if keychain_trouble() is None:
        return "keyring"
    return "encrypted-file" if encryption_trouble() is None else "file"


def _is_installed(package: str) -> bool:
    try:
        import_module(package)
    except ModuleNotFoundError:
        return False
    return True


def _folder(kind: StoreKind) -> Path:
    return state_folder() / "encrypted" if kind == "encrypted-file" else state_folder()


def _store(kind: StoreKind, *, make_key: bool) -> TokenStore:
    match kind:
        case "keyring":
            from vendorauth.stores import KeyringTokenStore  # noqa: PLC0415  an extra

            return KeyringTokenStore(_SERVICE, lock_directory=state_folder() / "locks")
        case "encrypted-file":
            from vendorauth.stores import EncryptedTokenStore  # noqa: PLC0415  an extra

            return EncryptedTokenStore(FileTokenStore(_folder(kind)), _keys(make=make_key))
        case "file":
            return FileTokenStore(_folder(kind))
        case _:
            assert_never(kind)


def _keys(*, make: bool) -> list[str]:
    if os.environ.get(KEYS):
        from vendorauth.stores import keys_from_env  # noqa: PLC0415  an extra

        return keys_from_env(KEYS)
    if keychain_trouble() is not None:
        raise ConfigurationError(_NO_KEY)
    key = _key_in_keychain() or (_new_key() if make else None)
    if key is None:
        raise ConfigurationError(_NO_KEY)
    return [key]


def _key_in_keychain() -> str | None:
    import keyring  # noqa: PLC0415  an extra

    try:
        return keyring.get_password(_SERVICE, _KEY)
    except Exception as error:  # noqa: BLE001  a driver is a plugin that anybody wrote
        message = f"the keychain can't be used: {type(error).__name__}"
    raise ConfigurationError(message)


def _new_key() -> str | None:
    """Make a key, and give what the keychain has kept of it."""
    import keyring  # noqa: PLC0415  an extra
    from cryptography.fernet import Fernet  # noqa: PLC0415  an extra

    try:
        keyring.set_password(_SERVICE, _KEY, Fernet.generate_key().decode())
    except Exception as error:  # noqa: BLE001  a driver is a plugin that anybody wrote
        message = f"the keychain can't be used: {type(error).__name__}"
    else:
        return _key_in_keychain()
    raise ConfigurationError(message)
