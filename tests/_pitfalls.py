"""What the tests of the pitfalls share: clients of the shipped fakes, stores that watch, other threads and processes."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self, TypeVar

from _stores import WrappedStore
from vendorauth import PasswordCredentials, ProGloveClient, Token
from vendorauth.testing import FakeProGlove

T = TypeVar("T")

DEVICES = "/{customer_id}/devices"
AGEING = 3300.0
DEAD = 3601.0
PATIENCE = 20.0
"""Seconds after which a wait counts as one without an end."""


def client_of(fake: FakeProGlove, credentials: Any = ..., **options: Any) -> ProGloveClient:
    """Make a client of *fake*'s user that refreshes in the way that goes with rotation."""
    if credentials is ...:
        credentials = PasswordCredentials(fake.username, fake.password)
    given = {"cognito_url": fake.cognito_url, "refresh_with": "get-tokens", **options}
    return ProGloveClient(fake.base_url, fake.customer_id, credentials, **given)


async def many(client: ProGloveClient, count: int) -> list[Any]:
    """Call *client* *count* times at once; give answers and errors."""
    return await asyncio.gather(*(client.get(DEVICES) for _ in range(count)), return_exceptions=True)


def errors_in(results: Iterable[object]) -> list[BaseException]:
    """Give what failed."""
    return [one for one in results if isinstance(one, BaseException)]


def renewal_tasks() -> list[asyncio.Task[Any]]:
    """Give the tasks that the engine runs now."""
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth")]


async def renewals_done() -> None:
    """Wait until nothing is being renewed, ahead of expiry either."""
    async with asyncio.timeout(PATIENCE):
        while tasks := renewal_tasks():
            await asyncio.wait(tasks)


class SlowStore(WrappedStore):
    """Suspend in every operation, as a store on a network does, and note what is done to an account's own record."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.saved: list[Token] = []
        self.deleted: list[str] = []
        self.saving = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def load(self, account: str) -> Token | None:
        self.loads += not account.endswith("|refused")
        await asyncio.sleep(0)
        return await super().load(account)

    async def save(self, account: str, token: Token) -> None:
        self.saving.set()
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        await super().save(account, token)
        self.saved.append(token)

    async def delete(self, account: str) -> None:
        await asyncio.sleep(0)
        self.deleted.append(account)
        await super().delete(account)


class HungStore(SlowStore):
    """Never come back from one operation."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation

    async def load(self, account: str) -> Token | None:
        await self._hang("load")
        return await super().load(account)

    async def save(self, account: str, token: Token) -> None:
        await self._hang("save")
        await super().save(account, token)

    async def _hang(self, operation: str) -> None:
        if operation == self.operation:
            await asyncio.Event().wait()


class DownStore(SlowStore):
    """Have a lock that can't be reached while *down*, as where the network is cut."""

    down = False

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        if self.down:
            raise ConnectionRefusedError
        return super().lock(account)


class LocklessStore(WrappedStore):
    """Be another program's way to the same tokens, which knows of no lock."""

    def __init__(self, shared: SlowStore) -> None:
        super().__init__()
        self.inner = shared.inner

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()


class OwnStore:
    """Be what a user writes: four methods, and nothing that listens to renewals."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}
        self._lock = asyncio.Lock()

    async def load(self, account: str) -> Token | None:
        return self.kept.get(account)

    async def save(self, account: str, token: Token) -> None:
        self.kept[account] = token

    async def delete(self, account: str) -> None:
        self.kept.pop(account, None)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None, None]:
        async with self._lock:
            yield


@contextmanager
def in_a_thread(fake: FakeProGlove) -> Generator[None, None, None]:
    """Run *fake* in an event loop of another thread, so that it outlives the test's own loops."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(fake.start(), loop).result(PATIENCE)
        yield
    finally:
        asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def in_another_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T | BaseException:
    """Run *work* with ``asyncio.run`` in a thread that a deadlock does not keep the tests from ending."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[T | BaseException] = loop.create_future()

    def run() -> None:
        try:
            result: T | BaseException = asyncio.run(work())
        except Exception as error:  # noqa: BLE001  the test looks at it
            result = error
        loop.call_soon_threadsafe(over.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    async with asyncio.timeout(PATIENCE):
        return await over


_CALLING = """
import asyncio, json, sys
from vendorauth import FileTokenStore, PasswordCredentials, ProGloveClient

async def main() -> None:
    given = json.loads(await asyncio.to_thread(sys.stdin.readline))
    client = ProGloveClient(
        given["base_url"],
        given["customer_id"],
        PasswordCredentials(given["username"], given["password"]),
        cognito_url=given["cognito_url"],
        refresh_with="get-tokens",
        store=FileTokenStore(given["directory"]),
    )
    async with client:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            await asyncio.gather(*(client.get("/{customer_id}/devices") for _ in range(5)))
            print("answered", client.tokens.peek().generation, flush=True)

asyncio.run(main())
"""


class Sibling:
    """Another process with a client of its own over the same files; each of its calls is five requests at once."""

    def __init__(self, process: Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, fake: FakeProGlove, directory: Path) -> Self:
        """Start it, and wait until it can be asked."""
        one = cls(await create_subprocess_exec(sys.executable, "-c", _CALLING, stdin=PIPE, stdout=PIPE))
        names = ("base_url", "customer_id", "username", "password", "cognito_url")
        given = {name: getattr(fake, name) for name in names} | {"directory": str(directory)}
        assert ["ready"] == await one.ask(json.dumps(given))
        return one

    async def ask(self, line: str = "") -> list[str]:
        """Send *line*, and give the words of the answer; no words when it failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode().split()

    async def end(self) -> int | None:
        """Let it close its client; give its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            await self.process.communicate()
        return self.process.returncode

    async def kill(self) -> None:
        """Leave no process behind, whatever the test came to."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()
