import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from vendorauth import StoreConflict, Token
from vendorauth.stores import read_record, write_record

SAVE = """INSERT INTO tokens VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET generation = excluded.generation,
record = excluded.record WHERE excluded.generation >= generation RETURNING 1"""


class SQLiteTokenStore:
    """Keep tokens in a database at *path*, for all processes of one host."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self, account: str) -> Token | None:
        rows = await asyncio.to_thread(self._execute, "SELECT record FROM tokens WHERE name = ?", account)
        return read_record(rows[0][0]) if rows else None

    async def save(self, account: str, token: Token) -> None:
        if not await asyncio.to_thread(self._execute, SAVE, account, token.generation, write_record(token)):
            raise StoreConflict("a newer token is stored")

    async def delete(self, account: str) -> None:
        await asyncio.to_thread(self._execute, "DELETE FROM tokens WHERE name = ?", account)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        # A transaction in a database of its own: it ends with its connection, and that one with its process.
        db = sqlite3.connect(f"{self._path}.{sha256(account.encode()).hexdigest()}", timeout=0, check_same_thread=False)
        with closing(db), ThreadPoolExecutor(1) as thread:  # waits for a try under way, and none takes long
            async with asyncio.timeout(25):
                while True:
                    with suppress(sqlite3.OperationalError):  # somebody else has it
                        await asyncio.wrap_future(thread.submit(db.execute, "BEGIN EXCLUSIVE"))
                        break
                    await asyncio.sleep(0.05)
            yield

    def _execute(self, statement: str, account: str, *values: object) -> list[Any]:
        self._path.touch(mode=0o600)
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS tokens (name TEXT PRIMARY KEY, generation INTEGER, record BLOB)")
            return db.execute(statement, (sha256(account.encode()).hexdigest(), *values)).fetchall()
