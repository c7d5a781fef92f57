# ruff: noqa: PLC0415  each process imports what its store needs, and no more
"""Make each store of the package, and the example's, over storage that is given; imported by other processes as well."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from vendorauth.stores import FileTokenStore, MemoryTokenStore, TokenStore

EXAMPLES: Final = Path(__file__).parent.parent / "docs" / "examples"
KEY: Final = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MEMORY: Final = MemoryTokenStore()


@asynccontextmanager
async def make(name: str, folder: Path, port: int = 0) -> AsyncGenerator[TokenStore]:
    """Make the store called *name*; what it needs is imported here, because another process needs one store only."""
    match name:
        case "memory":
            yield MEMORY
        case "file":
            yield FileTokenStore(folder)
        case "encrypted":
            from vendorauth.stores.encrypted import EncryptedTokenStore

            yield EncryptedTokenStore(FileTokenStore(folder), [KEY])
        case "keyring":
            import keyring

            from _keyring import FolderKeyring
            from vendorauth.stores.keyring import KeyringTokenStore

            keyring.set_keyring(FolderKeyring(folder.parent / "keys"))
            yield KeyringTokenStore(lock_directory=folder)
        case "no keychain":
            import keyring
            from keyring.backends.fail import Keyring

            from vendorauth.stores.keyring import KeyringTokenStore

            keyring.set_keyring(Keyring())  # type: ignore[no-untyped-call]  # its own
            yield KeyringTokenStore(lock_directory=folder)
        case "redis":
            from redis.asyncio import Redis

            from vendorauth.stores.redis import RedisTokenStore

            async with Redis.from_url(f"redis://127.0.0.1:{port}") as client:  # with Redis(), redis-py tries ten times
                yield RedisTokenStore(client, lease=1.5)
        case _:
            sys.path.append(str(EXAMPLES))
            from sqlite_store import SQLiteTokenStore

            yield SQLiteTokenStore(folder.parent / "tokens.sqlite")
