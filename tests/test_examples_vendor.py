"""The tutorial's vendor, and the one with an API key: few lines that keep every promise, at expiry and after a restart."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web

from _vendors import CLIENT, EXAMPLES, KEY, SCRIPTS, ApiKeyFlow, ClientCredentialsFlow, Depot, jwt, serving
from vendorauth import (
    ApiClient,
    FileTokenStore,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    ReauthenticationRequired,
    TokenStore,
)
from vendorauth.testing import ManualClock
from vendorauth.testing.conformance import FLOW_CHECKS, FlowCheck

LIMITS = {"client_credentials.py": 40, "api_key.py": 40}
FAKE, SCRIPT = "depot.py", "pallets.py"
PALLETS = [{"id": "P-17", "place": "A3"}, {"id": "P-18", "place": "B1"}]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("check", FLOW_CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_every_promise(check: FlowCheck, name: str) -> None:
    """The suite that the tutorial shows passes."""
    check(SCRIPTS[name])


def lines_of(name: str) -> int:
    """Count the lines of code in an example, without imports and blank lines."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    first = next(one for one in ast.parse(text).body if not isinstance(one, ast.Import | ast.ImportFrom))
    assert isinstance(first, ast.ClassDef)
    start = min([first.lineno, *(one.lineno for one in first.decorator_list)])
    return sum(1 for line in text.splitlines()[start - 1 :] if line.strip())


def test_forty_lines_at_most() -> None:
    """The numbers that the pages tell are those of the files."""
    counts = {name: lines_of(name) for name in LIMITS}
    assert all(counts[name] <= most for name, most in LIMITS.items()), counts
    page = (EXAMPLES.parent / "tutorial" / "third-vendor.md").read_text(encoding="utf-8")
    assert [counts["client_credentials.py"], counts["api_key.py"]] == [
        int(one) for one in re.findall(r"(\d+) lines of", page)
    ]
    readme = (EXAMPLES.parent.parent / "README.md").read_text(encoding="utf-8")
    assert f"a class of {counts['client_credentials.py']} lines" in readme


@attrs.frozen
class Shop:
    """A depot that is served, and a clock that it shares with its clients: an hour takes no time."""

    url: str
    depot: Depot
    clock: ManualClock

    def client(self, store: TokenStore, credentials: Any = CLIENT) -> ApiClient:
        """Make a client."""
        flow = ClientCredentialsFlow(self.url, account="warehouse")
        return ApiClient(flow, credentials, store=store, clock=self.clock)

    @property
    def counted(self) -> tuple[int, int, int]:
        """Give the logins, refreshes and refusals."""
        return self.depot.logins, self.depot.refreshes, self.depot.refused

    async def asked(self, logins: int, refreshes: int) -> None:
        """Wait until the depot has been asked so often."""
        async with asyncio.timeout(10):
            while (logins, refreshes) != self.counted[:2]:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def shop(*, refreshable: bool = True) -> AsyncGenerator[Shop]:
    """Open it."""
    clock = ManualClock()
    depot = Depot(3600, refreshable=refreshable, clock=clock.monotonic)
    async with serving(depot.application()) as url:
        yield Shop(url, depot, clock)


async def fifty(shop: Shop, client: ApiClient, *, cancelled: int) -> None:
    """Ask fifty times at once while nobody gets a token; cancel some, the first included; all others get an answer."""
    before = shop.counted
    shop.depot.open.clear()
    calls = [asyncio.create_task(client.get("/pallets")) for _ in range(50)]
    async with asyncio.timeout(10):
        while shop.counted == before:
            await asyncio.sleep(0.001)
    for call in calls[:cancelled]:
        call.cancel()
    await asyncio.wait(calls[:cancelled])
    shop.depot.open.set()
    assert [PALLETS] * (50 - cancelled) == await asyncio.gather(*calls[cancelled:])


async def test_fifty_callers_make_one_exchange() -> None:
    """At the first login and at each expiry, whoever is cancelled; refresh tokens that work once work (rules 2, 3, 6)."""
    async with shop() as depot, depot.client(MemoryTokenStore()) as client:
        await fifty(depot, client, cancelled=10)
        for refreshes in (1, 2, 3):
            depot.clock.advance(3600)
            await fifty(depot, client, cancelled=10)
            assert (1, refreshes, 0) == depot.counted
        depot.depot.refresh_tokens.clear()
        depot.clock.advance(3600)
        assert PALLETS == await client.get("/pallets")
    assert (2, 4, 1) == depot.counted


async def test_restarts_and_siblings_do_not_log_in(tmp_path: Path) -> None:
    """A token in a file serves the next process, and two at a time renew it once (rule 5)."""
    async with shop() as depot:
        for _ in range(3):
            async with depot.client(FileTokenStore(tmp_path)) as client:
                assert PALLETS == await client.get("/pallets")
        assert (1, 0, 0) == depot.counted
        depot.clock.advance(3600)
        async with depot.client(FileTokenStore(tmp_path)) as one, depot.client(FileTokenStore(tmp_path)) as other:
            assert [PALLETS] * 50 == await asyncio.gather(*(client.get("/pallets") for client in (one, other) * 25))
    assert (1, 1, 0) == depot.counted


@pytest.mark.parametrize("refreshable", [True, False])
async def test_nobody_waits(*, refreshable: bool) -> None:
    """Ahead of expiry a token is renewed in the background, by a login where the vendor gives no refresh tokens (rule 7)."""
    async with shop(refreshable=refreshable) as depot, depot.client(MemoryTokenStore()) as client:
        first = await client.tokens.token()
        depot.clock.advance(3600 * 0.95)
        depot.depot.open.clear()
        assert PALLETS == await client.get("/pallets")  # while nobody gets a token
        await depot.asked(1 + (not refreshable), int(refreshable))
        depot.depot.open.set()
        async with asyncio.timeout(10):
            while (await client.tokens.token()).value == first.value:
                await asyncio.sleep(0.001)


async def test_a_new_secret() -> None:
    """A refused secret is sent once; a callable's new one is asked for, and goes out (rule 10)."""
    given = [PasswordCredentials("warehouse-7", "an old secret")]

    async def secret_manager() -> PasswordCredentials:
        return given[-1]

    async with shop() as depot, depot.client(MemoryTokenStore(), secret_manager) as client:
        for _ in range(3):
            with pytest.raises(InvalidCredentials, match=r"POST /oauth/token: 400 invalid_client"):
                await client.get("/pallets")
        assert (1, 0, 1) == depot.counted
        given.append(CLIENT)
        depot.clock.advance(60)
        assert PALLETS == await client.get("/pallets")
    assert (2, 0, 1) == depot.counted


async def test_the_script(tmp_path: Path) -> None:
    """What the tutorial ends with, run as a reader would."""
    assert Path(sys.modules[Depot.__module__].__file__ or "").name == FAKE
    depot = Depot()
    pipe = asyncio.subprocess.PIPE
    async with serving(depot.application()) as url:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", EXAMPLES / SCRIPT),
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, "DEPOT_URL": url, "HOME": str(tmp_path)},
        )
        assert (b"P-17 A3\nP-18 B1\n", b"") == await child.communicate()
    assert (1, 0) == (depot.logins, depot.refreshes)


class KeyVendor:
    """Exchange API keys for JWTs; it says nothing of their life but in them."""

    def __init__(self) -> None:
        self.exchanges = 0
        self.keys = {KEY.refresh_token}

    def application(self) -> web.Application:
        """Serve it."""
        app = web.Application()
        app.add_routes([web.post("/auth/token", self._issue), web.get("/shelves", self._shelves)])
        return app

    async def _issue(self, request: web.Request) -> web.Response:
        self.exchanges += 1
        if (await request.json())["api_key"] not in self.keys:
            return web.json_response({"error": "unknown_key"}, status=401)
        return web.json_response({"accessToken": jwt(300, iat=self.exchanges)})

    async def _shelves(self, request: web.Request) -> web.Response:
        last = f"Bearer {jwt(300, iat=self.exchanges)}"
        return web.json_response({"shelves": 4}, status=200 if request.headers["Authorization"] == last else 401)


async def test_an_api_key(tmp_path: Path) -> None:
    """One exchange for all, ahead of the JWT's own end as well; a restart makes none, and no store sees the key."""
    vendor, clock = KeyVendor(), ManualClock()
    async with serving(vendor.application()) as url:

        def client() -> ApiClient:
            flow = ApiKeyFlow(url, account="warehouse")
            return ApiClient(flow, KEY, store=FileTokenStore(tmp_path), clock=clock)

        for _ in range(2):
            async with client() as keys:
                assert [{"shelves": 4}] * 50 == await asyncio.gather(*(keys.get("/shelves") for _ in range(50)))
        assert 1 == vendor.exchanges
        clock.advance(300)
        async with client() as keys:
            await asyncio.gather(*(keys.get("/shelves") for _ in range(50)))
            assert 2 == vendor.exchanges
            clock.advance(280)
            await keys.tokens.token()
            async with asyncio.timeout(10):
                while 2 == vendor.exchanges:
                    await asyncio.sleep(0.001)
        vendor.keys.clear()
        clock.advance(300)
        async with client() as keys:
            with pytest.raises(ReauthenticationRequired, match=r"POST /auth/token: 401 unknown_key"):
                await keys.get("/shelves")
    assert 4 == vendor.exchanges


async def test_an_api_key_is_not_stored() -> None:
    """It stays where it came from: the store has the JWT alone."""
    store = MemoryTokenStore()
    async with (
        serving(KeyVendor().application()) as url,
        ApiClient(ApiKeyFlow(url, account="a"), KEY, store=store) as keys,
    ):
        await keys.get("/shelves")
        token = await store.load("a")
    assert token is not None
    assert (None, {}) == (token.refresh_token, token.details)
