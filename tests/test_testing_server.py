"""Prove what both fakes have in common: life-cycle, records, and the ways in which they misbehave on request."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, DummyCookieJar, ServerDisconnectedError, TCPConnector

from _pool import Pool
from vendorauth.testing import FakeProGlove, FakeProtogrid


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    connector = TCPConnector(force_close=True)  # so that no connection is reused and silently repeated
    async with ClientSession(cookie_jar=DummyCookieJar(), connector=connector) as session:
        yield session


@pytest.fixture
async def pool(session: ClientSession) -> AsyncIterator[Pool]:
    async with FakeProGlove() as fake:
        yield Pool(fake, session)


async def features(pool: Pool, token: str) -> int:
    url = f"{pool.fake.base_url}/{pool.fake.customer_id}/features"
    async with pool.session.get(url, headers={"Authorization": token}) as response:
        return response.status


async def all_closed(pool: Pool) -> None:
    while pool.fake.connections:
        await asyncio.sleep(0)


async def test_free_ports_and_their_end(session: ClientSession) -> None:
    """Several fakes run side by side on loopback, and none listens after its block."""
    async with FakeProGlove() as one, FakeProtogrid() as two:
        assert one.origin != two.origin
        for fake in (one, two):
            assert fake.origin.startswith("http://127.0.0.1:")
            async with session.get(fake.origin):
                pass
    for fake in (one, two):
        with pytest.raises(ClientConnectionError):
            await session.get(fake.origin)


async def test_given_port() -> None:
    """A given port is taken; when somebody else has it, that is said and nothing stays open."""
    async with FakeProtogrid() as first:
        port = int(first.origin.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)):
            await FakeProtogrid(port=port).start()
    async with FakeProtogrid(port=port) as second:
        assert second.base_url == first.base_url


def test_no_port_before_the_start() -> None:
    """A fake that never ran has no URL."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = FakeProGlove().base_url


async def test_started_twice() -> None:
    """A fake runs once at a time."""
    async with FakeProtogrid() as fake:
        with pytest.raises(RuntimeError, match="already"):
            await fake.start()


async def test_down_for_a_while(pool: Pool) -> None:
    """A fake that was stopped refuses connections, and comes back on its port with its memory."""
    token = (await pool.login()).result["IdToken"]
    await pool.fake.stop()
    await pool.fake.stop()
    assert 0 == pool.fake.connections
    with pytest.raises(ClientConnectionError):
        await features(pool, token)
    await pool.fake.start()
    assert 200 == await features(pool, token)


async def test_works_in_a_later_loop(session: ClientSession) -> None:
    """One fake serves several event loops, one after the other."""

    async def once() -> int:
        async with fake, ClientSession(cookie_jar=DummyCookieJar()) as own, own.get(fake.origin) as response:
            return response.status

    fake = FakeProtogrid()
    assert [403, 403] == await asyncio.to_thread(lambda: [asyncio.run(once()) for _ in range(2)])


async def test_records(session: ClientSession) -> None:
    """Each request is kept as it was sent, and its ``repr`` tells no secret."""
    async with FakeProtogrid() as fake:
        async with session.put(f"{fake.base_url}/api/v2/e%20cho?a=1&a=%C3%A9", headers={"X-My": "h"}, data=b'{"b":2}'):
            pass
        (seen,) = fake.requests
    assert ("api", "PUT", "/api/v2/e%20cho", "a=1&a=%C3%A9") == (seen.kind, seen.method, seen.path, seen.query)
    assert ("h", b'{"b":2}', {"b": 2}, {"a": "é"}) == (seen.headers["X-My"], seen.body, seen.json, seen.params)
    assert "Seen(kind='api', method='PUT', path='/api/v2/e%20cho')" == repr(seen)


async def test_count_resets(pool: Pool) -> None:
    """Counters can begin again."""
    await pool.login()
    pool.fake.count.reset()
    assert (0, 0) == (pool.fake.count.logins, pool.fake.count.password_attempts)


async def test_fail_next(pool: Pool) -> None:
    """The next n requests of one kind get the given answer, are counted, and do nothing."""
    pool.fake.fail_next(2, 503, b'{"busy": true}', {"Retry-After": "7", "Content-Type": "text/html"}, on="login")
    assert 400 == (await pool.refresh("x")).status
    for _ in range(2):
        reply = await pool.login()
        assert (503, {"busy": True}, "7", "text/html") == (
            reply.status,
            reply.body,
            reply.headers["Retry-After"],
            reply.headers["Content-Type"],
        )
    assert 200 == (await pool.login()).status
    assert (3, 3) == (pool.fake.count.logins, pool.fake.count.password_attempts)
    assert 1 == pool.fake.refreshable_logins


async def test_fail_next_of_any_kind(pool: Pool) -> None:
    """Without a kind the next request fails, whatever it is; the default is an empty 500."""
    pool.fake.fail_next()
    reply = await pool.revoke("x")
    assert (500, None) == (reply.status, reply.body)
    assert 200 == (await pool.revoke("x")).status


async def test_lose_next(pool: Pool) -> None:
    """An answer is lost after all its work: a rotation has happened, and the old token is spent."""
    pool.fake.rotation = True
    token = (await pool.login()).result["RefreshToken"]
    pool.fake.lose_next(on="refresh")
    with pytest.raises(ClientConnectionError):
        await pool.refresh(token)
    assert "RefreshTokenReuseException" == (await pool.refresh(token)).code


async def test_lose_next_that_spends_when_written(pool: Pool) -> None:
    """A lost answer counts as written."""
    pool.fake.rotation, pool.fake.spends = True, "written"
    token = (await pool.login()).result["RefreshToken"]
    pool.fake.lose_next(on="refresh")
    with pytest.raises(ClientConnectionError):
        await pool.refresh(token)
    assert "RefreshTokenReuseException" == (await pool.refresh(token)).code


async def test_lose_next_unprocessed(pool: Pool) -> None:
    """A connection closed before any work leaves the token unspent; the request was seen all the same."""
    pool.fake.rotation = True
    token = (await pool.login()).result["RefreshToken"]
    pool.fake.lose_next(processed=False)
    with pytest.raises(ClientConnectionError):
        await pool.refresh(token)
    assert 200 == (await pool.refresh(token)).status
    assert 2 == pool.fake.count.refreshes


async def test_hold(pool: Pool) -> None:
    """Held requests wait until the release, are processed after it, and later ones pass."""
    token = (await pool.login()).result["IdToken"]
    held = pool.fake.hold("api")
    waiting = [asyncio.create_task(features(pool, token)) for _ in range(3)]
    await held.arrived(3)
    assert 400 == (await pool.refresh("x")).status
    assert not any(task.done() for task in waiting)
    pool.fake.expire_all()
    held.release()
    assert [403] * 3 == await asyncio.gather(*waiting)
    assert 403 == await features(pool, token)
    assert 3 == held.count


async def test_hold_processed(pool: Pool) -> None:
    """With *processed*, the work is done on arrival and only the answer waits."""
    token = (await pool.login()).result["IdToken"]
    with pool.fake.hold("api", processed=True) as held:
        waiting = asyncio.create_task(features(pool, token))
        await held.arrived()
        pool.fake.expire_all()
    assert 200 == await waiting


async def test_hold_limit(pool: Pool) -> None:
    """Only the first *limit* requests of any kind are held."""
    with pool.fake.hold(limit=1) as held:
        first = asyncio.create_task(pool.login())
        await held.arrived()
        assert 200 == (await pool.login()).status
        assert not first.done()
    assert 200 == (await first).status


async def test_new_hold_replaces_the_old(pool: Pool) -> None:
    """A new hold lets go what the last one kept."""
    old = pool.fake.hold("login")
    first = asyncio.create_task(pool.login())
    await old.arrived()
    pool.fake.hold("login")
    assert 200 == (await first).status


async def test_nobody_arrives(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for requests that never come is told so."""
    monkeypatch.setattr("vendorauth.testing._switches.PATIENCE", 0.01)
    with pytest.raises(TimeoutError):
        await pool.fake.hold().arrived()


@pytest.mark.parametrize(("spends", "second"), [("read", 400), ("written", 200)])
async def test_when_a_refresh_token_is_spent(pool: Pool, spends: Any, second: int) -> None:
    """A client who hangs up before the answer has lost a token that is spent when read, and kept one spent later."""
    pool.fake.rotation, pool.fake.spends = True, spends
    token = (await pool.login()).result["RefreshToken"]
    with pool.fake.hold("refresh", limit=1) as held:
        given_up = asyncio.create_task(pool.refresh(token))
        await held.arrived()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await all_closed(pool)
    assert second == (await pool.refresh(token)).status


async def test_spent_when_written(pool: Pool) -> None:
    """An answer that arrives spends the token in either mode."""
    pool.fake.rotation, pool.fake.spends = True, "written"
    token = (await pool.login()).result["RefreshToken"]
    assert 200 == (await pool.refresh(token)).status
    assert "RefreshTokenReuseException" == (await pool.refresh(token)).code


async def test_lost_for_a_client_who_is_gone(pool: Pool) -> None:
    """Losing an answer that nobody waits for any more does no harm."""
    pool.fake.lose_next(on="login")
    with pool.fake.hold("login", limit=1) as held:
        given_up = asyncio.create_task(pool.login())
        await held.arrived()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await all_closed(pool)
    assert 200 == (await pool.login()).status


async def test_delay(pool: Pool) -> None:
    """Answers take their time: all of them, and those of one kind more."""
    loop = asyncio.get_running_loop()
    pool.fake.delay = 0.02
    pool.fake.delays["revoke"] = 0.04
    before = loop.time()
    await pool.revoke("x")
    assert loop.time() - before >= 0.06
    before = loop.time()
    await pool.refresh("x")
    assert loop.time() - before >= 0.02


async def test_stop_waits_for_nobody(session: ClientSession) -> None:
    """Requests that are held or delayed when the fake stops lose their connection at once."""
    async with FakeProGlove() as fake:
        pool = Pool(fake, session)
        held, slow = fake.hold("login"), fake.hold("revoke", processed=True)
        fake.delays["revoke"] = 3600
        tasks = [asyncio.create_task(pool.login()), asyncio.create_task(pool.revoke("x"))]
        await held.arrived()
        await slow.arrived()
        slow.release()
    for task in tasks:
        with pytest.raises(ServerDisconnectedError):
            await task


async def test_amend(pool: Pool) -> None:
    """A hook edits the JSON of successful answers of one kind, after the work was done."""

    def change(body: Any) -> Any:
        body["AuthenticationResult"]["IdToken"] = ["not", "text"]
        return body

    pool.fake.amend("login", change, times=1)
    assert 400 == (await pool.login(PASSWORD="other")).status
    assert ["not", "text"] == (await pool.login()).result["IdToken"]
    assert isinstance((await pool.login()).result["IdToken"], str)


async def test_amend_with_bytes(pool: Pool) -> None:
    """A hook may answer with what is no JSON, until it is taken away."""
    pool.fake.amend("auth-information", lambda _: b"<html>")
    url = f"{pool.fake.base_url}/auth-information?id={pool.fake.customer_id}"
    for _ in range(2):
        async with pool.session.get(url) as response:
            assert b"<html>" == await response.read()
    pool.fake.heal()
    async with pool.session.get(url) as response:
        assert json.loads(await response.read())["region"]


async def test_heal(pool: Pool) -> None:
    """All trouble still planned is forgotten."""
    pool.fake.fail_next(5)
    pool.fake.lose_next(5)
    pool.fake.delay = pool.fake.delays["login"] = 3600
    held = pool.fake.hold("login")
    pool.fake.heal()
    assert 200 == (await pool.login()).status
    assert 0 == held.count


async def test_five_hundred_at_once(pool: Pool) -> None:
    """Many callers are served at once, each counted."""
    token = (await pool.login()).result["IdToken"]
    assert {200} == set(await asyncio.gather(*(features(pool, token) for _ in range(500))))
    assert 500 == pool.fake.count.api
