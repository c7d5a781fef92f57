"""The documentation's web backends as they are deployed: several processes that serve one port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from _web import EXAMPLES

WORKERS = 4
EACH = 3
"""Connections that ask each worker; one more asks for its health."""

PATIENCE = 60.0
"""Seconds after which nothing more is waited for: the machine may have other things to do."""

_UVICORN = (
    "--workers",
    str(WORKERS),
    "--port",
    "0",
    "--timeout-keep-alive",
    "60",
    "--timeout-worker-healthcheck",
    "60",
)
_PORT = re.compile(r"running on (http://[\d.:]+)")


@attrs.define
class Backend:
    """Be the processes, and what this one knows of them."""

    log: Path
    processes: list[Process] = attrs.field(factory=list)
    url: str = ""
    connections: dict[int, list[ClientSession]] = attrs.field(factory=dict)

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until *claim* is true, which is soon."""
        async with asyncio.timeout(PATIENCE):
            while True:
                ended = [process.returncode for process in self.processes]
                if claim():
                    return
                assert {None} == {*ended}, self.said()
                await asyncio.sleep(0.01)

    def said(self) -> str:
        """Give what the processes have logged."""
        return self.log.read_text(encoding="utf-8")

    async def health(self) -> dict[int, dict[str, Any]]:
        """Ask every worker how its login is doing."""
        found = await asyncio.gather(*(look(sessions[0]) for sessions in self.connections.values()))
        assert [*self.connections] == [one["worker"] for one in found]
        return {one["worker"]: one for one in found}

    async def all_renew(self) -> None:
        """Wait until every worker waits for a token."""
        async with asyncio.timeout(PATIENCE):
            while not all(one["renewing"] for one in (await self.health()).values()):
                await asyncio.sleep(0.05)

    @property
    def askers(self) -> list[ClientSession]:
        """Give the connections that ask, of all workers."""
        return [session for sessions in self.connections.values() for session in sessions[1:]]

    async def stop(self) -> list[int]:
        """Tell all to end, and give their exit codes."""
        for process in self.processes:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            return [await process.wait() for process in self.processes]


async def look(session: ClientSession) -> Any:
    """Ask for a worker's health."""
    async with session.get("/health") as response:
        return await response.json()


@asynccontextmanager
async def deployed(
    name: str, environment: Mapping[str, str], folder: Path, headers: Mapping[str, str], *, grace: int
) -> AsyncGenerator[Backend]:
    """Start four workers of the example *name*, be connected to each, and kill what is left at the end."""
    backend = Backend(folder / "log")
    async with AsyncExitStack() as stack:
        try:
            await _start(backend, name, {**os.environ, **environment}, grace, stack)
            await _connect(backend, headers, stack)
            yield backend
        finally:
            for process in backend.processes:
                if process.returncode != 0:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)  # its children as well
                    await process.wait()


async def _start(backend: Backend, name: str, variables: dict[str, str], grace: int, stack: AsyncExitStack) -> None:
    if name == "web_aiohttp.py":
        # Bound and not listening, it keeps the port for them.
        keeper = stack.enter_context(socket.socket())
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        keeper.bind(("127.0.0.1", 0))
        port = keeper.getsockname()[1]
        backend.url = f"http://127.0.0.1:{port}"
        for _ in range(WORKERS):
            await _run(backend, [str(EXAMPLES / name)], variables | {"PORT": str(port)})
        return
    app = f"{Path(name).stem}:app"
    options = ("--app-dir", str(EXAMPLES), "--timeout-graceful-shutdown", str(grace), *_UVICORN)
    await _run(backend, ["-m", "uvicorn", *options, app], variables)
    await backend.until(lambda: _PORT.search(backend.said()) is not None)
    backend.url = _PORT.findall(backend.said())[0]


async def _run(backend: Backend, arguments: list[str], variables: dict[str, str]) -> None:
    with backend.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    backend.processes.append(process)


async def _connect(backend: Backend, headers: Mapping[str, str], stack: AsyncExitStack) -> None:
    """Open connections until there are enough to each worker."""
    shared = len(backend.processes) == 1  # they take connections from one queue, so those that have enough are held up
    async with asyncio.timeout(PATIENCE):
        while [EACH + 1] * WORKERS != [len(sessions) for sessions in backend.connections.values()]:
            session = await stack.enter_async_context(
                ClientSession(
                    backend.url, headers=headers, connector=TCPConnector(limit=1), timeout=ClientTimeout(total=PATIENCE)
                )
            )
            worker = await _worker(session)
            sessions = backend.connections.setdefault(worker, []) if worker else []
            if worker and len(sessions) <= EACH:
                sessions.append(session)
                if shared and len(sessions) > EACH:
                    os.kill(worker, signal.SIGSTOP)
            else:
                await session.close()
                await asyncio.sleep(0.01)
    for worker in backend.connections if shared else ():
        os.kill(worker, signal.SIGCONT)


async def _worker(session: ClientSession) -> int | None:
    """Tell which worker took the connection; ``None`` where nobody listens yet."""
    try:
        return int((await look(session))["worker"])
    except OSError:
        return None
