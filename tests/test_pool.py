"""Many accounts in one process: who gets which client, and for how long it stays."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession

from _api import serve
from _cancel import Interrupt, at_each_suspension
from _vendor import JANE, World, settle
from vendorauth import ApiClient, AuthServiceUnavailable, ConfigurationError, InvalidCredentials, Renewed, TokenSource
from vendorauth import pool as pool_module
from vendorauth.pool import ClientPool


@attrs.define(eq=False)
class Client:
    """Be the least that a pool can keep."""

    key: str
    session: ClientSession
    tokens: TokenSource
    closed: int = 0
    closing: Callable[[], Any] | None = None

    async def aclose(self) -> None:
        """Close the source."""
        self.closed += 1
        if self.closing is not None:
            await self.closing()
        await self.tokens.aclose()


class Place:
    """Make clients of *world*, and remember them."""

    def __init__(self, world: World | None = None) -> None:
        self.world = World() if world is None else world
        self.made: list[Client] = []

    def make(self, key: str, session: ClientSession) -> Client:
        """Make one; the key ``bad`` can't be."""
        if key == "bad":
            message = "no such account"
            raise LookupError(message)
        self.made.append(Client(key, session, self.world.source(account=key)))
        return self.made[-1]

    def pool(self, **options: Any) -> ClientPool[str, Client]:
        """Make a pool of them."""
        return ClientPool(self.make, **options)

    @property
    def closed(self) -> list[str]:
        """The keys of the clients that were closed."""
        return [client.key for client in self.made if client.closed]


async def use(pool: ClientPool[str, Client], *keys: str) -> None:
    """Use the clients of *keys*, one after another."""
    for key in keys:
        async with pool.client(key):
            pass


async def test_one_client_for_each_account() -> None:
    """A client is made on first use, shared while in use, and kept; all of them are lent one session."""
    place = Place()
    async with place.pool() as pool:
        async with pool.client("jane") as one, pool.client("jane") as two, pool.client("joe") as other:
            assert one is two
            assert one is not other
        await use(pool, "jane", "joe")
        assert ["jane", "joe"] == [client.key for client in place.made]
        assert 2 == len(pool)
        assert place.made[0].session is place.made[1].session
        assert not place.made[0].session.closed
    assert ["jane", "joe"] == place.closed
    assert place.made[0].session.closed


async def test_least_recently_used_goes_first() -> None:
    """Above *max_clients* the client goes whose last use is the longest ago, but never one in use."""
    place = Place()
    async with place.pool(max_clients=2) as pool:
        async with pool.client("used"):
            await use(pool, "a", "b", "c")
            await settle()
            assert ["a", "b"] == place.closed
            async with pool.client("d"), pool.client("e"):
                assert 3 == len(pool)
            await settle()
            assert {"a", "b", "c", "e"} == set(place.closed)  # e was given back first, when there were still too many
        assert 2 == len(pool)
        await use(pool, "d", "f")
        await settle()
        assert {"a", "b", "c", "e", "used"} == set(place.closed)
        assert {0, 1} == {client.closed for client in place.made}


class Timers:
    """Stand in for the running loop's timers: they ring when they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.rings: list[tuple[float, Callable[[], None]]] = []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: self.now)
        monkeypatch.setattr(loop, "call_later", self._call_later)

    def _call_later(self, seconds: float, ring: Callable[[], None]) -> asyncio.Handle:
        self.rings.append((self.now + seconds, ring))
        return asyncio.Handle(ring, (), asyncio.get_running_loop())

    def ring(self) -> float:
        """Let the only timer ring; give when."""
        ((self.now, ring),) = self.rings
        self.rings.clear()
        ring()
        return self.now


async def test_idle_clients_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody used for *idle* seconds is closed, some at a time; what was used meanwhile stays, for as long again."""
    place = Place()
    monkeypatch.setattr(pool_module, "AT_ONCE", 2)
    async with place.pool(idle=100.0) as pool:
        with monkeypatch.context() as patched:
            timers = Timers(patched)
            await use(pool, "a", "b", "c", "late")
            timers.now = 60.0
            await use(pool, "late")
            assert [(100.0, 2), (100.02, 1), (160.0, 0)] == [(timers.ring(), len(pool)) for _ in range(3)]
            assert [] == timers.rings
        await settle()
        assert ["a", "b", "c", "late"] == place.closed
        await use(pool, "a")
        assert 5 == len(place.made)


async def test_idle_for_ever() -> None:
    """With an infinite *idle* nothing is closed, and no timer runs."""
    place = Place()
    async with place.pool(idle=float("inf")) as pool:
        await use(pool, "a")
        assert 1 == len(pool)


async def test_what_make_raises_concerns_its_caller() -> None:
    """A key for which there is no client leaves nothing behind, and the others alone."""
    place = Place()
    async with place.pool() as pool:
        with pytest.raises(LookupError, match="no such account"):
            await use(pool, "bad")
        assert 0 == len(pool)
        await use(pool, "jane")


async def test_one_accounts_error_is_its_own() -> None:
    """A refused password, and a client that can't be closed, concern one account."""
    place = Place()
    world = place.world

    async def fail() -> None:
        message = "s3cret"
        raise OSError(message)

    async with place.pool(max_clients=1) as pool:
        world.vendor.passwords = set()
        async with pool.client("refused") as client:
            with pytest.raises(InvalidCredentials):
                await client.tokens.token()
            client.closing = fail
        world.vendor.passwords = {JANE.password}
        async with pool.client("jane") as client:
            assert "token-1" == (await client.tokens.token()).value
        await settle()
        assert ["refused"] == place.closed


async def test_closed_client_comes_back_from_its_store() -> None:
    """A client that was pushed out and is made again logs in no more: its token is in the store."""
    place = Place()
    async with place.pool(max_clients=1) as pool:
        for key in ("jane", "joe", "jane", "joe"):
            async with pool.client(key) as client:
                await client.tokens.token()
            await settle()
    assert 4 == len(place.made)
    assert 2 == place.world.vendor.count["login"]


async def test_ten_thousand_accounts_spread() -> None:
    """Rule 7: renewals of 10,000 accounts that logged in within a second are spread over a tenth of their life."""
    world = World()
    source = world.source()
    token = await source.token()
    starts = [source._setup.life(token).ahead.monotonic for _ in range(10_000)]
    await source.aclose()
    assert 355 < max(starts) - min(starts) <= 360
    assert max(Counter(map(int, starts)).values()) < 60  # 28 on average


async def test_nothing_grows() -> None:
    """Keys, tasks and clients do not pile up, however many accounts come and go."""
    place = Place()
    before = len(asyncio.all_tasks())
    async with place.pool(max_clients=3) as pool:
        for number in range(200):
            async with pool.client(f"key-{number}") as client:
                await client.tokens.token()
        await settle()
        assert 3 == len(pool)
        assert 197 == len(place.closed)
        assert pool._home is not None
        assert set() == pool._home._ending
        assert before == len(asyncio.all_tasks())


async def test_aclose_lets_renewals_save() -> None:
    """Closing waits for a renewal under way, closes clients in use, and refuses calls afterwards, until it is entered."""
    place = Place()
    gate = place.world.vendor.gate("login")
    pool = place.pool()
    async with pool.client("jane") as client:
        call = asyncio.ensure_future(client.tokens.token())
        await gate.arrived.wait()
        closing = asyncio.ensure_future(pool.aclose())
        await settle()
        assert not closing.done()
        with pytest.raises(RuntimeError, match="this pool is closed; enter it again"):
            await use(pool, "joe")
        entering = asyncio.ensure_future(pool.__aenter__())
        await settle()
        assert not entering.done()
        gate.open()
        await asyncio.gather(closing, entering)
        assert "token-1" == (await call).value
    assert await place.world.store.load("jane") is not None
    await use(pool, "joe")
    await pool.aclose()
    await pool.aclose()


async def test_aclose_has_an_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A client that does not come to an end holds up closing for a bounded time only."""
    monkeypatch.setattr(pool_module, "CLOSE_WITHIN", 0.01)
    place, end = Place(), asyncio.Event()
    async with place.pool() as pool, pool.client("stuck") as client:
        client.closing = end.wait
    assert place.made[0].session.closed
    assert ["1 clients could not be closed within 0.01 s"] == [one.message for one in caplog.records]
    end.set()
    await settle()


async def test_cancelling_loses_nothing() -> None:
    """Whatever is cancelled at whatever suspension: tokens are saved, nothing is left open, the pool goes on."""

    async def scenario(interrupt: Interrupt) -> None:
        place = Place()
        pool = place.pool(max_clients=1, logins_per_second=5000)

        async def work() -> None:
            for key in ("jane", "joe"):
                async with pool.client(key) as client:
                    await client.tokens.token()
            await pool.aclose()

        await interrupt(work())
        await pool.aclose()
        await settle()
        assert {client.key for client in place.made} == set(place.closed)
        assert place.world.vendor.count["login"] == len(place.world.told(Renewed)) == len(place.world.store._tokens)
        async with pool, pool.client("jane") as client:
            await client.tokens.token()

    assert 2 < await at_each_suspension(scenario)


async def test_never_used() -> None:
    """A pool that nobody used, or in which no client was made, has nothing to close."""
    async with Place().pool() as pool:
        with pytest.raises(LookupError):
            await use(pool, "bad")
    async with Place().pool() as pool:
        assert "<ClientPool of 0 clients>" == repr(pool)
        assert 0 == len(pool)
        with pytest.raises(TypeError, match="can't be pickled or copied"):
            pickle.dumps(pool)


def test_event_loops_one_after_another() -> None:
    """Rule 15: a second event loop is refused while the first lives, and begins anew when that is closed."""
    place = Place()
    pool = place.pool()
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use(pool, "jane"))
        with pytest.raises(RuntimeError, match="another event loop, which still lives"):
            second.run(use(pool, "jane"))
        first.run(place.made[0].session.close())
        first.run(place.made[0].tokens.aclose())
    with asyncio.Runner() as third:
        third.run(use(pool, "jane"))
        assert 2 == len(place.made)
        third.run(pool.aclose())


async def test_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child begins anew, and leaves its parent's session and clients alone."""
    place = Place()
    pool = place.pool()
    await use(pool, "jane")
    parent = os.getpid()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: parent + 1)
        await use(pool, "jane")
        await pool.aclose()
    assert [False, True] == [client.session.closed for client in place.made]
    await place.made[0].tokens.aclose()
    await place.made[0].session.close()


@pytest.mark.parametrize(
    "options",
    [
        {"max_clients": 0},
        {"max_clients": 1.5},
        {"max_clients": True},
        {"idle": 0},
        {"idle": "1"},
        {"logins_per_second": 0},
        {"logins_per_second": float("inf")},
        {"logins_per_second": float("nan")},
    ],
)
def test_numbers_are_checked(options: dict[str, Any]) -> None:
    """A number that can't be right is refused when the pool is made."""
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))} must be"):
        Place().pool(**options)


async def test_closing_ends_the_waiting_for_turns() -> None:
    """Closing does not sit out a long queue: who still waits for a turn gets none, and nothing reaches the vendor."""
    place = Place()
    async with place.pool(logins_per_second=0.01) as pool:
        calls = list[asyncio.Future[Any]]()
        for number in range(20):
            async with pool.client(f"key-{number}") as client:
                calls.append(asyncio.ensure_future(client.tokens.token()))
        await settle()
        assert 1 == place.world.vendor.count["login"]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert 19 == sum(isinstance(one, AuthServiceUnavailable) for one in outcomes)
    assert 1 == place.world.vendor.count["login"]


async def test_clients_share_one_session() -> None:
    """Clients that borrow one session send with one, which the last of them closes; the connector stays the pool's."""
    async with serve() as api, ClientPool[int, ApiClient](lambda _, session: api.client(session=session)) as pool:
        async with pool.client(1) as one, pool.client(2) as two:
            await asyncio.gather(one.get("/x"), two.get("/x"))
            sending = one._sessions._session
            assert sending is not None
            assert sending is two._sessions._session
            connector = sending.connector
            assert connector is not None
            await one.aclose()
            assert not sending.closed
            assert {"ok": True} == await two.get("/x")
            await two.aclose()
            assert sending.closed
            assert not connector.closed
        async with pool.client(3) as three:
            assert {"ok": True} == await three.get("/x")
            assert three._sessions._session is not sending
    assert connector.closed
