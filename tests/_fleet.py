"""A fleet: processes that ask one vendor for something again and again, and share one store."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import attrs
import msgspec
import redis.asyncio

from vendorauth import (
    FileTokenStore,
    InvalidCredentials,
    PasswordCredentials,
    ProGloveClient,
    TokenStore,
    VendorAuthError,
)
from vendorauth.stores.redis import RedisTokenStore
from vendorauth.testing import FakeProGlove

PATH = "/{customer_id}/features"
CONTEXT: ForkServerContext = get_context("forkserver")
CONTEXT.set_forkserver_preload(["vendorauth.stores.redis", "vendorauth.testing"])


@attrs.frozen
class Scene:
    """Say what a worker needs; *store* is a directory, or the port of a Redis."""

    base_url: str
    cognito_url: str
    customer_id: str
    username: str
    password: str
    store: str
    notes: str
    lease: float

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[tuple[TokenStore, ProGloveClient]]:
        """Open a store, and a client that uses it."""
        if self.store.isdigit():
            async with redis.asyncio.Redis(port=int(self.store)) as connection:
                store = RedisTokenStore(connection, lease=self.lease)
                async with self._client(store) as client:
                    yield store, client
        else:
            files = FileTokenStore(self.store)
            async with self._client(files) as client:
                yield files, client

    def _client(self, store: TokenStore) -> ProGloveClient:
        credentials = PasswordCredentials(self.username, self.password)
        return ProGloveClient(self.base_url, self.customer_id, credentials, cognito_url=self.cognito_url, store=store)

    def note(self, **what: Any) -> None:
        """Write a line down with one call of the system, whatever happens to this process next."""
        file = os.open(self.notes, os.O_WRONLY | os.O_APPEND)
        os.write(file, msgspec.json.encode(what) + b"\n")
        os.close(file)


def work(scene: Scene) -> None:
    """Ask until SIGTERM, and write down what fails, and how often nothing did."""
    asyncio.run(_work(scene))


async def _work(scene: Scene) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    scene.note(started=os.getpid())
    succeeded = 0
    async with asyncio.timeout(30), scene.client() as (_, client):
        while not (told.is_set() and succeeded):
            try:
                await client.get(PATH)
                succeeded += 1
            except VendorAuthError as error:
                scene.note(failed=repr(error))
            await asyncio.sleep(0.02)
    scene.note(succeeded=succeeded)


def insist(scene: Scene) -> None:
    """Log in with what may be a wrong password, and write down that it was refused."""
    asyncio.run(_insist(scene))


async def _insist(scene: Scene) -> None:
    async with scene.client() as (_, client):
        try:
            await client.tokens.token()
        except InvalidCredentials:
            scene.note(refused=True)


@attrs.define
class Fleet:
    """Run workers against one vendor and one store."""

    scene: Scene
    vendor: FakeProGlove
    workers: list[BaseProcess] = attrs.field(factory=list)

    def start(self, job: Callable[[Scene], None] = work) -> BaseProcess:
        """Start one more."""
        worker = CONTEXT.Process(target=job, args=(self.scene,), daemon=True)
        worker.start()
        self.workers.append(worker)
        return worker

    async def kill(self, worker: BaseProcess) -> None:
        """End *worker* as ``kill -9`` does."""
        worker.kill()
        await asyncio.to_thread(worker.join)
        self.workers.remove(worker)

    async def stop(self, *, told: bool = True) -> None:
        """Wait for all to end well, who are *told* to."""
        if told:
            await self.until(lambda: {worker.pid for worker in self.workers} <= {*self.notes("started")})
            for worker in self.workers:
                worker.terminate()
        for worker in self.workers:
            await asyncio.to_thread(worker.join, 30)
        assert {0} == {worker.exitcode for worker in self.workers}
        self.workers.clear()

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until *claim* is true, which is soon."""
        async with asyncio.timeout(20):
            while not claim():
                await asyncio.sleep(0.01)

    def notes(self, name: str) -> list[Any]:
        """List what was written down under *name*."""
        lines = (msgspec.json.decode(line) for line in Path(self.scene.notes).read_bytes().splitlines())
        return [line[name] for line in lines if name in line]


@asynccontextmanager
async def fleet(store: str, folder: Path, *, lease: float = 10.0, password: str = "") -> AsyncGenerator[Fleet]:
    """Start a vendor that rotates refresh tokens and punishes reuse; end whatever still runs afterwards."""
    notes = folder / "notes"
    notes.touch()
    async with FakeProGlove(token_life=1.0, rotation=True) as vendor:
        scene = Scene(
            vendor.base_url,
            vendor.cognito_url,
            vendor.customer_id,
            vendor.username,
            password or vendor.password,
            store,
            str(notes),
            lease,
        )
        made = Fleet(scene, vendor)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
                worker.join()
