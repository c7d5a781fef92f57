"""The documentation's web backends, under their real servers in this process."""

from __future__ import annotations

import asyncio
import importlib
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest
import uvicorn
from aiohttp import ClientSession, web

from vendorauth.testing import FakeProGlove

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"

Site: TypeAlias = AbstractAsyncContextManager[ClientSession]
"""A server that runs; the session sends to it."""


def variables(vendor: FakeProGlove, folder: Path) -> dict[str, str]:
    """Say in the environment who logs in, where, and which *folder* keeps the tokens."""
    return {
        "PROGLOVE_BASE_URL": vendor.base_url,
        "PROGLOVE_CUSTOMER_ID": vendor.customer_id,
        "PROGLOVE_COGNITO_URL": vendor.cognito_url,
        "PROGLOVE_USERNAME": vendor.username,
        "PROGLOVE_PASSWORD": vendor.password,
        "STATE_DIRECTORY": str(folder),
    }


def load(name: str, environment: Mapping[str, str], patch: pytest.MonkeyPatch) -> ModuleType:
    """Import an example anew, as a process of its own would, and leave *environment* set."""
    patch.syspath_prepend(EXAMPLES)
    for variable, value in environment.items():
        patch.setenv(variable, value)
    patch.delitem(sys.modules, Path(name).stem, raising=False)
    return importlib.import_module(Path(name).stem)


def run(example: ModuleType) -> Site:
    """Run what *example* makes under its own server, until the end of the block."""
    return _under_aiohttp(example.make_app()) if hasattr(example, "make_app") else _under_uvicorn(example.app)


@asynccontextmanager
async def _under_uvicorn(app: Any) -> AsyncGenerator[ClientSession]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None))
    running = asyncio.create_task(server.serve([listening]))
    async with asyncio.timeout(30):
        while not server.started:
            assert not running.done()
            await asyncio.sleep(0.005)
    try:
        async with ClientSession(f"http://127.0.0.1:{listening.getsockname()[1]}") as session:
            yield session
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def _under_aiohttp(app: web.Application) -> AsyncGenerator[ClientSession]:
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield session
    finally:
        await runner.cleanup()
