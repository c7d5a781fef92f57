"""Deploy the documentation's web backends: four workers, one login, and an end under load that loses no token."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from _web import load, run, variables
from _web_workers import EACH, PATIENCE, WORKERS, Backend, deployed
from vendorauth.testing import FakeProGlove

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals"),
    pytest.mark.timeout(240),
]

ALL = EACH * WORKERS
GRACE = {"web_fastapi.py": 1, "web_starlette.py": 10, "web_aiohttp.py": 10}


async def ask(session: ClientSession) -> int:
    """Ask for the devices; 0 where the server hung up."""
    try:
        async with session.get("/devices") as response:
            await response.read()
            return response.status
    except ClientError:
        return 0


async def begin(backend: Backend, vendor: FakeProGlove, name: str) -> list[int]:
    """Let all connections ask at once while nobody has a token; where people log in, somebody does that first."""
    if name == "web_fastapi.py":
        typed = {"username": vendor.username, "password": vendor.password}
        async with backend.askers[0].post("/login", json=typed) as response:
            assert 204 == response.status
        return await asyncio.gather(*map(ask, backend.askers))
    with vendor.hold("login") as hold:
        asking = asyncio.gather(*map(ask, backend.askers))
        await hold.arrived()
        await backend.all_renew()
    return await asking


@pytest.mark.parametrize("name", ["web_aiohttp.py", "web_starlette.py", "web_fastapi.py"])
async def test_one_login_and_no_token_lost(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Four workers that start at once log in once; told to end while a refresh token rotates, they save the new one.

    FastAPI's may finish what they have begun for one second only: its requests are given up, and its renewal is not.
    """
    async with FakeProGlove(rotation=True) as vendor:
        environment, headers = variables(vendor, tmp_path / "tokens"), {"X-Tenant": vendor.customer_id}
        async with deployed(name, environment, tmp_path, headers, grace=GRACE[name]) as backend:
            assert [200] * ALL == await begin(backend, vendor, name)
            told = (await backend.health()).values()
            assert (1, 1) == (vendor.count.logins, len({one["generation"] for one in told}))
            with vendor.hold("refresh", processed=True) as hold:
                vendor.expire_all()
                asking = asyncio.gather(*map(ask, backend.askers))
                await backend.all_renew()
                await backend.until(lambda: vendor.count.refused == ALL)
                await hold.arrived()
                ending = asyncio.create_task(backend.stop())
                await deaf(backend, name)
            statuses = Counter(await asking)
            assert {0} == {*await ending}
            assert ({200} if name != "web_fastapi.py" else {0, 500}) >= statuses.keys(), backend.said()
            assert not any(secret in backend.said() for secret in vendor.issued)
            assert (1, 1, 1, 0) == (
                vendor.count.logins,
                vendor.count.refreshes,
                vendor.refreshable_logins,
                vendor.count.reuse,
            )
        vendor.expire_all()
        async with run(load(name, environment, monkeypatch)) as site, site.get("/devices", headers=headers) as again:
            assert 200 == again.status
        assert (1, 2, 0) == (vendor.count.logins, vendor.count.refreshes, vendor.count.reuse)


async def deaf(backend: Backend, name: str) -> None:
    """Wait until all workers have been told to end; FastAPI's until they have no more patience with requests."""
    if name == "web_aiohttp.py":
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(backend.url.rpartition(":")[2]))
                except OSError:
                    return
                writer.close()
                await asyncio.sleep(0.01)
    sign = "running task(s)" if name == "web_fastapi.py" else "Shutting down"
    await backend.until(lambda: WORKERS == backend.said().count(sign))
