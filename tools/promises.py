"""
Keep what the extras promise: ``python -P promises.py cli``, in an environment where that one is installed, or is not.

Without the extra, what needs it ends with a line that says what to install.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import distribution
from typing import Final

from vendorauth import MemoryTokenStore, StoreUnavailable, Token, TokenStore, stores

TOKEN: Final = Token(value="t", issued_at=datetime(2026, 1, 1, tzinfo=UTC), generation=1)


def core() -> None:
    """Import every public name, and what needs no extra."""
    for module in (
        "vendorauth",
        "vendorauth.flows",
        "vendorauth.integrations.aiohttp",
        "vendorauth.pool",
        "vendorauth.proglove",
        "vendorauth.protogrid",
        "vendorauth.testing",
    ):
        imported = importlib.import_module(module)
        for name in imported.__all__:
            getattr(imported, name)


def cli() -> None:
    """Run the command, both ways."""
    for command in ([f"{sys.prefix}/bin/vendorauth", "demo"], [sys.executable, "-m", "vendorauth", "profiles"]):
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            sys.exit(result.stderr)


def encryption() -> None:
    """Encrypt a token, and decrypt it."""
    keep(stores.EncryptedTokenStore(MemoryTokenStore(), [base64.b64encode(bytes(32))]))


def httpx() -> None:
    """Import what authenticates the requests of httpx."""
    importlib.import_module("vendorauth.integrations.httpx")


def keyring() -> None:
    """Keep a token in a keychain."""
    keychain_store = stores.KeyringTokenStore
    import keyring as library
    from keyring.backend import KeyringBackend

    secrets: dict[tuple[str, str], str] = {}

    class Keychain(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return secrets.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            secrets[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del secrets[service, username]

    library.set_keyring(Keychain())  # type: ignore[no-untyped-call] # keyring's own
    keep(keychain_store("promises"))


def otel() -> None:
    """Import what traces and measures."""
    importlib.import_module("vendorauth.integrations.opentelemetry")


def plugins() -> None:
    """Import what other tools find by the metadata; those have to be there."""
    for point in distribution("vendorauth").entry_points:
        if point.group != "console_scripts":
            point.load()


def redis() -> None:
    """Ask a server that is not there."""
    redis_store = stores.RedisTokenStore
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    async def ask() -> None:
        async with Redis(port=1, retry=Retry(NoBackoff(), 0)) as client:
            await redis_store(client).load("jane")

    try:
        asyncio.run(ask())
    except StoreUnavailable:
        return
    sys.exit("nobody answered, and nothing was said")


def testing() -> None:
    """Check a store."""
    from vendorauth.testing.conformance import STORE_CHECKS

    store = MemoryTokenStore()
    STORE_CHECKS[0](lambda: nullcontext(store))


def keep(store: TokenStore) -> None:
    """Save a token in *store*, and load it."""

    async def main() -> None:
        await store.save("jane", TOKEN)
        if await store.load("jane") != TOKEN:
            sys.exit(f"{type(store).__name__} keeps nothing")

    asyncio.run(main())


PROMISES: Final = {one.__name__: one for one in (core, cli, encryption, httpx, keyring, otel, plugins, redis, testing)}

if __name__ == "__main__":
    PROMISES[sys.argv[1]]()
