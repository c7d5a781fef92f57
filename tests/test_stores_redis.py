"""Tokens in Redis: records, names, times, conflicts, what is broken, and what is said of trouble."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio
from redis.commands import READ_COMMANDS

from _stores import told
from _valkey import (
    JANE,
    KEY,
    ONCE_MORE,
    OPERATIONS,
    Proxy,
    Spy,
    client,
    client_of,
    keys_of,
    not_shown,
    port,
    token_of,
    use,
)
from vendorauth import ConfigurationError, Token
from vendorauth.errors import StoreConflict, StoreError, StoreUnavailable, StoreUnreadable
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import write
from vendorauth.stores.redis import RedisTokenStore

__all__ = ["client", "port", "told"]

DAY = 86400.0


@pytest.mark.parametrize(
    "options", [{}, {"decode_responses": True}, {"decode_responses": True, "encoding": "latin-1"}, {"protocol": 2}]
)
async def test_clients_of_every_kind_read_each_other(client: redis.asyncio.Redis, options: Any) -> None:
    """What one kind of client stored, another reads and replaces: bytes are not decoded by either."""
    async with client_of(client.connection_pool.connection_kwargs["port"], **options) as other:
        one, two = RedisTokenStore(client), RedisTokenStore(other)
        token = token_of(details={"name": "日本 ä"})
        await one.save(JANE, token)
        assert token == await two.load(JANE)
        newer = token_of(2, details={"name": "ä"})
        await two.save(JANE, newer)
        assert newer == await one.load(JANE)
        async with two.lock(JANE):
            assert 2 == await client.dbsize()


async def test_names_tell_nothing(client: redis.asyncio.Redis) -> None:
    """DESIGN 7: keys are hashes under the prefix: of records, of locks, and of what is moved aside."""
    store = RedisTokenStore(client, prefix="ours:")
    await client.set(f"ours:{stored_name(JANE)}", b"broken")
    async with store.lock(JANE):
        await store.load(JANE)
        await store.save(JANE, token_of())
        keys = sorted([key.decode() async for key in client.scan_iter()])
    name = stored_name(JANE)
    assert [f"ours:{name}", f"ours:{name}:corrupt", f"ours:{name}:lock"] == keys
    assert "RedisTokenStore(prefix='ours:', lease=10)" == repr(store)
    await store.delete(JANE)
    assert 0 == await client.dbsize()


async def life_of(client: redis.asyncio.Redis, token: Token) -> float:
    """Save *token* and give the seconds that its key is kept, -1 for ever."""
    await RedisTokenStore(client).save(JANE, token)
    kept = await client.pttl(KEY)
    await client.delete(KEY)
    return kept if kept < 0 else kept / 1000


async def test_keys_end_with_what_they_keep(client: redis.asyncio.Redis) -> None:
    """
    A key ends a day after its refresh token where that is known, at its earliest in a day; else never.

    Never without a refresh token: such a token may roll for weeks before it is saved again (rule 17).
    """
    now = datetime.now(UTC)
    ends, ended = (int((now + timedelta(days=days)).timestamp()) for days in (30, -9))
    near = 5.0
    assert abs(31 * DAY - await life_of(client, token_of(details={"refresh_expires_at": ends}))) < near
    assert abs(DAY - await life_of(client, token_of(details={"refresh_expires_at": ended}))) < near
    assert -1 == await life_of(client, token_of(refresh_token=None))
    assert -1 == await life_of(client, token_of())
    assert -1 == await life_of(client, token_of(refresh_token=None, expires_at=None))
    assert -1 == await life_of(client, token_of(details={"refresh_expires_at": "soon"}))
    forever = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
    assert await life_of(client, token_of(details={"refresh_expires_at": forever})) > 1e11


async def test_a_later_save_changes_when_the_key_ends(client: redis.asyncio.Redis) -> None:
    """A key that had an end has none any more once a token without one is saved, and the other way round."""
    store = RedisTokenStore(client)
    known = {"refresh_expires_at": int(datetime.now(UTC).timestamp())}
    await store.save(JANE, token_of(1, details=known))
    await store.save(JANE, token_of(2))
    assert -1 == await client.pttl(KEY)
    await store.save(JANE, token_of(3, details=known))
    assert await client.pttl(KEY) > 0


async def test_many_save_at_once(port: int, client: redis.asyncio.Redis) -> None:
    """Of 40 who save at once from 4 clients, the highest stays, conflicts are the only errors, and no error is unearned."""
    generations = [*range(20, 0, -1), *range(1, 21)]
    clients = [redis.asyncio.Redis(port=port) for _ in range(4)]
    stores = [RedisTokenStore(one) for one in clients]
    saves = [stores[n % 4].save(JANE, token_of(generation)) for n, generation in enumerate(generations)]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    for one in clients:
        await one.aclose()
    assert {StoreConflict, type(None)} >= {type(outcome) for outcome in outcomes}
    best = [outcome for outcome, generation in zip(outcomes, generations, strict=True) if generation == 20]
    assert [None, None] == best
    stored = await RedisTokenStore(client).load(JANE)
    assert stored is not None
    assert 20 == stored.generation


async def test_compared_and_written_in_one_step(port: int, client: redis.asyncio.Redis) -> None:
    """A newer token that is saved between another save's reading and writing stays, and is a StoreConflict for it."""
    store = RedisTokenStore(client)
    async with Spy(port=port) as spy:
        spy.before["SAVE"] = lambda: store.save(JANE, token_of(7, "MARK-newer"))
        with pytest.raises(StoreConflict, match=r"^generation 7 is stored, which is newer than 5$") as caught:
            await RedisTokenStore(spy).save(JANE, token_of(5))
    not_shown(caught.value)
    assert token_of(7, "MARK-newer").value == (await store.load(JANE) or token_of()).value


async def test_the_same_save_again(port: int, client: redis.asyncio.Redis) -> None:
    """A save whose answer is lost is repeated by redis-py, and finds its own record: no conflict, no error."""
    async with Proxy(port) as proxy, client_of(proxy.port, retry=ONCE_MORE) as lossy:
        proxy.loses = b"sha1hex"
        token = token_of()
        await RedisTokenStore(lossy).save(JANE, token)
        assert (b"", 2) == (proxy.loses, proxy.connections)
    assert token == await RedisTokenStore(client).load(JANE)


BROKEN = [b"", b"{", b"\xff\xfe\x00MARK", b'{"version": 1}', b'{"version": 0, "token": "MARK"}', b"MARK" * 1000]


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("content", BROKEN)
async def test_what_is_no_record(
    client: redis.asyncio.Redis, content: bytes, decode: bool, told: list[StoreError], caplog: pytest.LogCaptureFixture
) -> None:
    """Pitfall 30: what is no record is moved aside, reported and treated as empty, and saving goes on."""
    async with client_of(client.connection_pool.connection_kwargs["port"], decode_responses=decode) as one:
        store = RedisTokenStore(one)
        await client.set(KEY, content)
        assert await store.load(JANE) is None
        assert (None, content) == (await client.get(KEY), await client.get(f"{KEY}:corrupt"))
        await client.set(KEY, content)
        await store.save(JANE, token_of(3))
        assert 3 == (await store.load(JANE) or token_of()).generation
    expected = rf"{KEY} .*; it is moved to {KEY}:corrupt and treated as empty"
    assert [True, True] == [re.fullmatch(expected, str(error)) is not None for error in told]
    assert "MARK" not in caplog.text


async def test_a_good_record_is_not_moved_aside(port: int, client: redis.asyncio.Redis, told: list[StoreError]) -> None:
    """What somebody has saved since a broken record was read is left in its place."""
    async with Spy(port=port) as spy:
        await client.set(KEY, b"broken")
        spy.before["SET"] = lambda: client.set(KEY, write(token_of(4)))
        await RedisTokenStore(spy).load(JANE)
    assert 4 == (await RedisTokenStore(client).load(JANE) or token_of()).generation
    assert 1 == len(told)


async def test_a_newer_version(client: redis.asyncio.Redis, told: list[StoreError]) -> None:
    """A newer release's record is StoreUnreadable, for whoever saves too, and stays as it is; deleting forgets it."""
    store = RedisTokenStore(client)
    content = b'{"version": 99, "token": "MARK"}'
    await client.set(KEY, content)
    for operation in ("load", "save"):
        with pytest.raises(
            StoreUnreadable, match=r"is of version 99, and this release reads up to version 1$"
        ) as caught:
            await use(store, operation)
        not_shown(caught.value)
    assert (content, 1, []) == (await client.get(KEY), await client.dbsize(), told)
    await store.delete(JANE)
    assert await store.load(JANE) is None


async def test_another_kind_of_key(client: redis.asyncio.Redis) -> None:
    """A key that is no text is not ours to overwrite: StoreUnavailable says which kind of trouble it is."""
    await client.lpush(KEY, "MARK")
    for operation in ("load", "save"):
        with pytest.raises(StoreUnavailable, match=r"^Redis: it refused with WRONGTYPE$") as caught:
            await use(RedisTokenStore(client), operation)
        not_shown(caught.value)
    assert [b"MARK"] == await client.lrange(KEY, 0, -1)


async def test_a_token_that_is_no_json(client: redis.asyncio.Redis) -> None:
    """What can't be written down is a StoreUnavailable that does not repeat it, and nothing is sent."""
    with pytest.raises(StoreUnavailable, match=r"^this token can't be written as JSON") as caught:
        await RedisTokenStore(client).save(JANE, token_of(value="MARK\ud800"))
    not_shown(caught.value)
    assert 0 == await client.dbsize()


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_command_has_one_key(port: int, client: redis.asyncio.Redis, operation: str) -> None:
    """A cluster takes every command: each names one key, scripts touch no other, and no replica, which is behind, is asked."""
    await client.set(KEY, b"broken")
    async with Spy(port=port) as spy:
        await use(RedisTokenStore(spy), operation)
        assert spy.sent
        assert [1] * len(spy.sent) == [len(keys_of(command)) for command in spy.sent]
        for command in spy.sent:
            assert {"SET", "DEL", "EVAL"} - READ_COMMANDS >= {command[0]}
            if command[0] == "EVAL":
                calls = re.findall(r"redis\.call\('(\w+)', ([^,)]+)", command[1])
                assert {"KEYS[1]"} == {key for _, key in calls}
                assert {"GET", "SET", "DEL", "PEXPIRE"} >= {name for name, _ in calls}


@pytest.mark.parametrize(
    "times", [{"lease": 0}, {"lease": -1}, {"lease": float("inf")}, {"lease": float("nan")}, {"lock_timeout": -1}]
)
async def test_times_that_are_none(times: Any) -> None:
    """A lease or a lock_timeout that can't be a time is refused at once."""
    with pytest.raises(ConfigurationError, match=r"^lease and lock_timeout must be numbers of seconds, not "):
        RedisTokenStore(redis.asyncio.Redis(), **times)
