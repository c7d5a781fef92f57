"""
Say what a token store has to do, and do it.

Each store is a module of its own. Those that need an extra are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vendorauth.stores._protocol import TokenStore
from vendorauth.stores._records import read_record, write_record
from vendorauth.stores.file import FileTokenStore
from vendorauth.stores.memory import MemoryTokenStore

if TYPE_CHECKING:
    from vendorauth.stores.encrypted import EncryptedTokenStore, keys_from_env, keys_from_file
    from vendorauth.stores.keyring import KeyringTokenStore
    from vendorauth.stores.redis import RedisTokenStore
else:
    _EXTRAS = {
        "EncryptedTokenStore": ("encrypted", "encryption", {"cryptography"}),
        "KeyringTokenStore": ("keyring", "keyring", {"keyring", "platformdirs"}),
        "RedisTokenStore": ("redis", "redis", {"redis"}),
        "keys_from_env": ("encrypted", "encryption", {"cryptography"}),
        "keys_from_file": ("encrypted", "encryption", {"cryptography"}),
    }

    def __getattr__(name: str) -> object:
        if name not in _EXTRAS:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        module, extra, needed = _EXTRAS[name]
        try:
            found = getattr(import_module(f"{__name__}.{module}"), name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in needed:
                raise
            message = f"{name} needs an extra: pip install 'vendorauth[{extra}]'"
            raise ModuleNotFoundError(message, name=error.name) from None
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_EXTRAS})


__all__ = [
    "EncryptedTokenStore",
    "FileTokenStore",
    "KeyringTokenStore",
    "MemoryTokenStore",
    "RedisTokenStore",
    "TokenStore",
    "keys_from_env",
    "keys_from_file",
    "read_record",
    "write_record",
]
