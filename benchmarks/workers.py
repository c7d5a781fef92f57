"""Be a fleet: processes that ask one vendor for something again and again, and share one store."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import redis.asyncio

from vendorauth import (
    FileTokenStore,
    PasswordCredentials,
    ProGloveClient,
    TokenStore,
    VendorAuthError,
)
from vendorauth.stores.redis import RedisTokenStore
from vendorauth.testing import FakeProGlove

CONTEXT: Final[ForkServerContext] = get_context("forkserver")
PATH: Final = "/{customer_id}/features"
PERIOD: Final = 0.05
"""Seconds between two requests of a worker."""
_MOST: Final = 3600.0


@attrs.frozen
class Scene:
    """Say what a worker needs: where the vendor is, where the store is, where to write things down."""

    base_url: str
    cognito_url: str
    customer_id: str
    username: str
    password: str = attrs.field(repr=False)
    store: str
    """A directory, or the port of a Redis."""
    notes: str
    lease: float = 10.0
    lock_timeout: float = 25.0

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[TokenStore]:
        """Open the store."""
        if not self.store.isdigit():
            yield FileTokenStore(self.store, lock_timeout=self.lock_timeout)
            return
        async with redis.asyncio.Redis(port=int(self.store)) as client:
            yield RedisTokenStore(client, lease=self.lease, lock_timeout=self.lock_timeout)

    def client(self, store: TokenStore, **options: Any) -> ProGloveClient:
        """Make a client, with the default policy if *options* have no other."""
        credentials = PasswordCredentials(self.username, self.password)
        return ProGloveClient(
            self.base_url, self.customer_id, credentials, cognito_url=self.cognito_url, store=store, **options
        )

    def note(self, **what: Any) -> None:
        """Write a line down with one call of the system, whatever happens to this process next."""
        line = msgspec.json.encode({"process": os.getpid(), **what}) + b"\n"
        file = os.open(self.notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line)
        os.close(file)


def work(scene: Scene, seconds: float) -> None:
    """Ask at least once, and again for *seconds*, or until SIGTERM; write down what fails, and a summary."""
    asyncio.run(_work(scene, seconds))


async def _work(scene: Scene, seconds: float) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.call_later(seconds, told.set)
    asked, slowest, began = 0, 0.0, time.time()
    async with scene.opened() as store, scene.client(store) as client:
        while not asked or not (told.is_set() or _orphaned(asked)):
            begun = loop.time()
            try:
                await client.get(PATH)
            except VendorAuthError as error:
                scene.note(failed=f"{type(error).__name__}: {error}")
            asked += 1
            slowest = max(slowest, loop.time() - begun)
            await asyncio.sleep(PERIOD if seconds else 0)
        held = client.tokens.peek()
    scene.note(asked=asked, slowest=slowest, span=[began, time.time()], generation=held.generation if held else None)


def log_in(scene: Scene) -> None:
    """Ask for a token once, as a process does that is started again and again; write down what came of it."""
    asyncio.run(_log_in(scene))


async def _log_in(scene: Scene) -> None:
    async with scene.opened() as store, scene.client(store) as client:
        try:
            await client.tokens.token()
        except VendorAuthError as error:
            scene.note(outcome=type(error).__name__)
        else:
            scene.note(outcome="a token")


def _orphaned(asked: int) -> bool:
    """Look now and then whether this process was left behind."""
    parent = parent_process()
    return asked % 100 == 0 and parent is not None and not parent.is_alive()


@attrs.define
class Fleet:
    """Run workers against one vendor and one store."""

    scene: Scene
    vendor: FakeProGlove
    workers: list[BaseProcess] = attrs.field(factory=list)

    def start(self, seconds: float = _MOST) -> BaseProcess:
        """Start one more worker, which asks for *seconds*."""
        return self.run(work, seconds)

    def run(self, job: Callable[..., None], *what: object) -> BaseProcess:
        """Start one more process, which does *job* with the scene and *what*."""
        worker = CONTEXT.Process(target=job, args=(self.scene, *what), daemon=True)
        worker.start()
        self.workers.append(worker)
        return worker

    async def kill(self, worker: BaseProcess) -> None:
        """End *worker* as ``kill -9`` does."""
        worker.kill()
        await asyncio.to_thread(worker.join)
        self.workers.remove(worker)

    async def join(self, seconds: float, *, told: bool = False) -> None:
        """Wait for all workers, which have *seconds*; *told*: ask them to come to an end. Who hangs or dies has failed."""
        for worker in self.workers:
            if told:
                worker.terminate()
        for worker in self.workers:
            await asyncio.to_thread(worker.join, seconds)
            if worker.exitcode != 0:
                self.scene.note(failed="a worker hangs" if worker.is_alive() else f"a worker died: {worker.exitcode}")
                worker.kill()
                await asyncio.to_thread(worker.join)
        self.workers.clear()

    def notes(self, name: str) -> list[Any]:
        """List what was written down under *name*."""
        lines = (msgspec.json.decode(line) for line in Path(self.scene.notes).read_bytes().splitlines())
        return [line[name] for line in lines if name in line]

    def figures(self) -> dict[str, Any]:
        """Give what was counted while workers worked, those left out that were killed."""
        count, spans = self.vendor.count, self.notes("span")
        seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
        return {
            "seconds": round(seconds, 1),
            "requests": count.api,
            "failed": dict(Counter(self.notes("failed"))),
            "logins": count.logins,
            "refreshes": count.refreshes,
            "reuse": count.reuse,
            "renewals": count.logins + count.refreshes,
            "slowest_request_s": round(max(self.notes("slowest"), default=0.0), 2),
        }


@asynccontextmanager
async def fleet(store: str, folder: Path, token_life: float, **options: float) -> AsyncGenerator[Fleet]:
    """Start a vendor that rotates refresh tokens and punishes reuse; end whatever still runs afterwards."""
    async with FakeProGlove(token_life=token_life, rotation=True) as vendor:
        notes = folder / "notes"
        notes.touch()
        scene = Scene(
            vendor.base_url,
            vendor.cognito_url,
            vendor.customer_id,
            vendor.username,
            vendor.password,
            store,
            str(notes),
            **options,
        )
        made = Fleet(scene, vendor)
        with _ended(made):
            yield made


@contextmanager
def _ended(made: Fleet) -> Generator[None]:
    try:
        yield
    finally:
        for worker in made.workers:
            worker.kill()
            worker.join()
