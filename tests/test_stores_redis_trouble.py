"""Trouble with Redis: how long it may take, and what is said and shown of it."""

from __future__ import annotations

import asyncio
import copy
import gc
import warnings
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MaxConnectionsError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from _marks import frames, held
from _raw import free_port
from _valkey import JANE, NEVER, OPERATIONS, Proxy, client_of, not_shown, port, token_of, until, use
from vendorauth import TokenStore
from vendorauth.errors import StoreUnavailable
from vendorauth.stores import redis as module

__all__ = ["port"]
from vendorauth.stores.redis import RedisTokenStore


async def test_nobody_listens() -> None:
    """Redis that is down is StoreUnavailable within two seconds, whatever the client's own retries are (pitfall 28)."""
    closed, loop = free_port(), asyncio.get_running_loop()
    said = r"^Redis: (no answer within (2|1\.5) s, and last: )?Error 111 connecting to localhost:\d+\."

    async def measured(client: redis.asyncio.Redis, operation: str) -> float:
        begun = loop.time()
        with pytest.raises(StoreUnavailable, match=said) as caught:
            await use(RedisTokenStore(client), operation)
        took = loop.time() - begun
        not_shown(caught.value)
        return took

    async with client_of(closed) as client, client_of(closed, retry=NEVER) as hasty:
        slow = await asyncio.gather(*(measured(client, operation) for operation in OPERATIONS))
        quick = await asyncio.gather(*(measured(hasty, operation) for operation in OPERATIONS))
    assert max(slow) < 2.5, slow
    assert max(quick) < 0.5, quick


async def test_a_server_that_hangs(port: int) -> None:
    """All operations on a server that accepts and never answers end within two seconds, giving the lock back included."""
    loop = asyncio.get_running_loop()

    async def measured(store: TokenStore, operation: str) -> float:
        begun = loop.time()
        with pytest.raises(StoreUnavailable, match=r"^Redis: no answer within (2|1\.5) s$") as caught:
            await use(store, operation)
        took = loop.time() - begun
        not_shown(caught.value)
        return took

    async with (
        Proxy(port) as proxy,
        client_of(proxy.port) as client,
        client_of(proxy.port, socket_timeout=None) as patient,
    ):
        proxy.swallows = True
        stores = [RedisTokenStore(client), RedisTokenStore(patient)]
        took = await asyncio.gather(*(measured(store, operation) for store in stores for operation in OPERATIONS))
        proxy.swallows = False
        for store in stores:
            for operation in OPERATIONS:
                await use(store, operation)
    assert all(1.9 < seconds < 2.5 for seconds in took), took


def raising(error: BaseException) -> RedisTokenStore:
    """Make a store whose client raises *error*, from a frame that holds what is sent."""

    class Failing:
        async def execute_command(self, *args: Any, **_: Any) -> Any:
            raise error

        async def eval(self, *args: Any) -> Any:
            raise error

        async def delete(self, *args: Any) -> Any:
            raise error

    store = RedisTokenStore(redis.asyncio.Redis())
    store._client = Failing()
    return store


SAID = [
    (RedisConnectionError("Error 111 connecting to here:1."), "Error 111 connecting to here:1."),
    (RedisConnectionError(ValueError("MARK")), "ConnectionError"),
    (MasterNotFoundError("No master found: MARK"), "MasterNotFoundError"),
    (AuthenticationError("MARK"), "AuthenticationError"),
    (BusyLoadingError("MARK"), "BusyLoadingError"),
    (MaxConnectionsError("MARK"), "MaxConnectionsError"),
    (NoPermissionError("MARK"), "NoPermissionError"),
    (ReadOnlyError("MARK"), "ReadOnlyError"),
    (ResponseError("OOM MARK"), "it refused with OOM"),
    (ResponseError("unknown command MARK"), "ResponseError"),
    (ResponseError("MARK-1 MARK"), "ResponseError"),
    (RedisTimeoutError("MARK"), "TimeoutError"),
    (RedisClusterException("MARK"), "RedisClusterException"),
    (ConnectionResetError("MARK"), "ConnectionResetError"),
    (TimeoutError("MARK"), "no answer within 2 s"),
    (RuntimeError("MARK"), "the client failed with a RuntimeError; it belongs to the event loop that used it first"),
]


@pytest.mark.parametrize(("error", "said"), SAID)
@pytest.mark.parametrize("operation", ["load", "save", "delete"])
async def test_what_is_said_of_trouble(error: Exception, said: str, operation: str) -> None:
    """Whatever a client raises is StoreUnavailable, names its kind, and repeats nothing that may have been sent."""
    with pytest.raises(StoreUnavailable) as caught:
        await use(raising(copy.copy(error)), operation)
    assert f"Redis: {said}" == str(caught.value)
    not_shown(caught.value)


async def test_a_bug_is_not_hidden(port: int) -> None:
    """What no client should raise, and being cancelled, goes on as it is, without the frames that hold records."""
    with pytest.raises(KeyError) as caught:
        await raising(KeyError("a bug")).save(JANE, token_of())
    ours = [frame.f_code.co_name for frame in frames(caught.value) if frame.f_globals["__name__"] == module.__name__]
    assert ["save"] == ours
    async with Proxy(port) as proxy, client_of(proxy.port) as client:
        proxy.swallows = True
        saving = asyncio.create_task(RedisTokenStore(client).save(JANE, token_of()))
        await until(lambda: proxy.connections == 1, "it has not connected")
        saving.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await saving
    assert [] == [text for text in held(cancelled.value) if "MARK" in text]


async def test_a_pool_that_is_used_up(port: int) -> None:
    """A client that may open no more connections is StoreUnavailable; one that waits for them is waited for, bounded."""
    async with redis.asyncio.Redis(port=port, max_connections=1) as client:
        pool: Any = client.connection_pool
        connection = await pool.get_connection()
        with pytest.raises(StoreUnavailable, match=r"^Redis: (MaxConnectionsError|Too many connections)$"):
            await RedisTokenStore(client).load(JANE)
        await pool.release(connection)
        assert await RedisTokenStore(client).load(JANE) is None
    pool = redis.asyncio.BlockingConnectionPool(port=port, max_connections=1, timeout=60)
    async with redis.asyncio.Redis.from_pool(pool) as client:
        store = RedisTokenStore(client)
        await asyncio.gather(*(store.save(JANE, token_of()) for _ in range(50)))
        await store.delete(JANE)


def test_a_client_of_another_loop(port: int) -> None:
    """A client that a closed loop has used is StoreUnavailable, and says so; a client of its own works there."""
    client = redis.asyncio.Redis(port=port)
    store = RedisTokenStore(client)

    async def refused() -> list[str]:
        texts = list[str]()
        for operation in OPERATIONS:
            try:
                await use(store, operation)
            except StoreUnavailable as error:
                not_shown(error)
                texts.append(str(error))
        return texts

    async def fresh() -> None:
        async with client_of(port) as one:
            await RedisTokenStore(one).save(JANE, token_of())
            await RedisTokenStore(one).delete(JANE)

    asyncio.run(use_and_keep(store))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the transport of the loop that is gone
        texts = asyncio.run(refused())
        client.connection_pool.reset()  # type: ignore[no-untyped-call]  # redis-py has no type for it
        gc.collect()
    assert all("RuntimeError" in text for text in texts), texts
    asyncio.run(fresh())


async def use_and_keep(store: RedisTokenStore) -> None:
    """Load, and leave the client's connection open."""
    assert await store.load(JANE) is None
