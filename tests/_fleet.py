"""A fleet of the benchmarks', whose workers ask one vendor for something again and again until they are told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import attrs

from vendorauth import InvalidCredentials, ProGloveClient, TokenStore, VendorAuthError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import workers
from workers import CONTEXT, PATH, Scene

__all__ = ["PATH", "Fleet", "fleet", "insist", "opened"]

CONTEXT.set_forkserver_preload(["vendorauth.stores.redis", "vendorauth.testing"])


@asynccontextmanager
async def opened(scene: Scene) -> AsyncGenerator[tuple[TokenStore, ProGloveClient]]:
    """Open the store of *scene*, and a client that uses it."""
    async with scene.opened() as store, scene.client(store) as client:
        yield store, client


def work(scene: Scene) -> None:
    """Ask until SIGTERM, and write down what fails, and how often nothing did."""
    asyncio.run(_work(scene))


async def _work(scene: Scene) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    scene.note(started=os.getpid())
    succeeded = 0
    async with asyncio.timeout(30), opened(scene) as (_, client):
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
    async with opened(scene) as (_, client):
        try:
            await client.tokens.token()
        except InvalidCredentials:
            scene.note(refused=True)


@attrs.define
class Fleet(workers.Fleet):
    """Run workers that are expected to end well."""

    def begin(self, job: Callable[[Scene], None] = work) -> BaseProcess:
        """Start one more, which does *job*."""
        return self.run(job)

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


@asynccontextmanager
async def fleet(store: str, folder: Path, *, lease: float = 10.0, password: str = "") -> AsyncGenerator[Fleet]:
    """Start a vendor whose tokens live for a second; the workers may have another *password* than its own."""
    async with workers.fleet(store, folder, 1.0, lease=lease) as made:
        scene = attrs.evolve(made.scene, password=password or made.scene.password)
        yield Fleet(scene, made.vendor, made.workers)
