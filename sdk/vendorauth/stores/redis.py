"""
Keep tokens in Redis or Valkey, for all hosts of a fleet.

Needs the extra ``redis``. Every script touches one key, so that a cluster takes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, final

import redis.asyncio
from redis.client import NEVER_DECODE
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from vendorauth._tracebacks import cut
from vendorauth.errors import (
    ConfigurationError,
    StoreConflict,
    StoreError,
    StoreLockTimeout,
    StoreUnavailable,
)
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import NoRecord, end_of_refresh, read, write
from vendorauth.stores._reports import report
from vendorauth.tokens import Token

T = TypeVar("T")

_PATIENCE: Final = 2.0
"""Seconds that one operation may take: redis-py's own limits are none, or a minute."""
_GIVING_UP: Final = 0.5
"""Those of them that are kept for giving back what may have been taken, when a try for the lock ends badly."""
_KEPT: Final = 86400.0
"""Seconds for which a record is kept after the end of its refresh token: other hosts' clocks may differ."""
_PAUSES: Final = (0.02, 0.5)
_GROWTH: Final = 1.5

# A script, because a cluster's client may send a GET to a replica, which is behind.
_READ: Final = "return redis.call('GET', KEYS[1])"
# Each answers 1 where it did what it is for. A repeated take, whose first answer was lost, finds its own lock.
_TAKE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_EXTEND: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# ARGV: the digest of what the caller has read ('' for nothing), the new record, its milliseconds ('' for no end).
_REPLACE: Final = """
local stored = redis.call('GET', KEYS[1])
if (stored and redis.sha1hex(stored) or '') ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


@final
class RedisTokenStore:
    """
    Keep each account's token in Redis (6 or newer) or Valkey, for all processes and hosts that share it.

    *client* is redis-py's asyncio client: with TLS, an ACL user, Sentinel or a cluster, as you make it; it stays yours to
    close, and belongs to one event loop. Its user needs GET, SET, DEL, PEXPIRE and EVAL on keys that begin with
    *prefix*, and what the client itself sends: CLUSTER SLOTS and CLUSTER SHARDS in a cluster, SELECT for another database than the first. *lease* is
    how many seconds a lock outlives its holder; it is extended every third of that while it is held. *lock_timeout* is
    how many seconds `lock` waits for a living holder, more than one renewal takes.

    Loading, saving, deleting and each try for the lock take two seconds at most, whatever the client's own timeouts and
    retries are. A key ends a day after its refresh token, where the flow says when that ends. Names of keys tell nothing
    about the account.

    Raises:
        ConfigurationError: *lease* or *lock_timeout* can't be a time.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis | redis.asyncio.RedisCluster,
        *,
        prefix: str = "vendorauth:",
        lease: float = 10.0,
        lock_timeout: float = 25.0,
    ) -> None:
        if not 0 < lease < float("inf") or not lock_timeout >= 0:
            message = f"lease and lock_timeout must be numbers of seconds, not {lease} and {lock_timeout}"
            raise ConfigurationError(message)
        # redis-py's own types are of both clients, its synchronous one included.
        self._client: Any = client
        self._prefix = prefix
        self._lease = lease
        self._lock_timeout = lock_timeout
        self._leaving = set[asyncio.Task[None]]()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={self._prefix!r}, lease={self._lease:g})"

    async def load(self, account: str) -> Token | None:
        """
        Give what is stored for *account*, or ``None``.

        What is no record is moved to a key of its own, with a warning, and counts as ``None``.

        Raises:
            StoreUnreadable: A newer version of this package wrote it.
            StoreUnavailable: Redis did not answer in time, or not with success.
        """
        key = self._key(account)

        async def loaded() -> Token | None:
            return await self._current(key, await self._get(key))

        return await _in_time(loaded())

    async def save(self, account: str, token: Token) -> None:
        """
        Store *token*. Cancelled, it may have been stored.

        Raises:
            StoreConflict: The stored generation is higher.
            StoreUnreadable: A newer version of this package wrote what is stored.
            StoreUnavailable: As for `load`.
        """
        await _in_time(self._replace(self._key(account), token))

    async def delete(self, account: str) -> None:
        """
        Forget *account*, and what was moved aside.

        Raises:
            StoreUnavailable: As for `load`.
        """
        key = self._key(account)

        async def deleted() -> None:
            await self._client.delete(key)
            await self._client.delete(_aside(key))  # by itself: a cluster may keep it elsewhere

        await _in_time(deleted())

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        """
        Hold *account*'s lock, exclusively among all who share this Redis.

        A holder that dies, or stands still for longer than its lease, loses it; what it saves then is compared by
        generation. Cancelling the wait takes nothing, and cancelling the release leaves nothing behind.

        Raises:
            StoreLockTimeout: Living holders had it for *lock_timeout* seconds.
            StoreUnavailable: As for `load`.
        """
        key, owner = f"{self._key(account)}:lock", secrets.token_hex(16)
        try:
            await self._take(key, owner)
        except (asyncio.CancelledError, StoreUnavailable):
            await self._to_the_end(self._release(key, owner, _GIVING_UP))  # Redis may have heard of it
            raise
        extending = asyncio.create_task(self._extend(key, owner), name="vendorauth lease")
        try:
            yield
        finally:
            await self._to_the_end(self._leave(extending, key, owner))

    def _key(self, account: str) -> str:
        return f"{self._prefix}{stored_name(account)}"

    async def _replace(self, key: str, token: Token) -> None:
        content, left = write(token), _time_left(token)
        replaced = 0
        while not replaced:
            found = await self._get(key)
            stored = await self._current(key, found)
            if stored is not None and stored.generation > token.generation:
                message = f"generation {stored.generation} is stored, which is newer than {token.generation}"
                raise StoreConflict(message)
            replaced = await self._script(_REPLACE, key, _digest(None if stored is None else found), content, left)

    async def _get(self, key: str) -> bytes | None:
        # Bytes, from a client made with decode_responses, too: what is no text has to be moved aside as it is.
        found: bytes | None = await self._client.execute_command("EVAL", _READ, 1, key, **{NEVER_DECODE: True})
        return found

    async def _current(self, key: str, found: bytes | None) -> Token | None:
        if found is None:
            return None
        try:
            return read(found, key)
        except NoRecord as error:
            why = str(error)
        await self._client.set(_aside(key), found)
        await self._script(_RELEASE, key, found)  # nobody else's record in its place
        report(StoreError(f"{why}; it is moved to {_aside(key)} and treated as empty"))
        return None

    async def _take(self, key: str, owner: str) -> None:
        """Try again and again, with pauses that grow and differ."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lock_timeout
        pause, longest = _PAUSES
        while not await _in_time(self._script(_TAKE, key, owner, _milliseconds(self._lease)), _PATIENCE - _GIVING_UP):
            left = deadline - loop.time()
            if left <= 0:
                message = f"{key} was held by somebody else for {self._lock_timeout:g} seconds"
                raise StoreLockTimeout(message)
            await asyncio.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  spreads tries, no secret
            pause = min(pause * _GROWTH, longest)

    async def _extend(self, key: str, owner: str) -> None:
        """Extend the lease until it is lost; a Redis that is down for a moment is asked again."""
        kept = 1
        while kept:
            await asyncio.sleep(self._lease / 3)
            with suppress(StoreError):
                kept = await _in_time(self._script(_EXTEND, key, owner, _milliseconds(self._lease)))

    async def _leave(self, extending: asyncio.Task[None], key: str, owner: str) -> None:
        extending.cancel()
        await asyncio.wait((extending,))
        await self._release(key, owner)

    async def _to_the_end(self, release: Coroutine[Any, Any, None]) -> None:
        """Go on when cancelled, once more included: else the others would wait for a lease that nobody needs."""
        leaving = asyncio.create_task(release, name="vendorauth release")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.shield(leaving)

    async def _release(self, key: str, owner: str, seconds: float = _PATIENCE) -> None:
        with suppress(StoreError):  # it ends by itself
            await _in_time(self._script(_RELEASE, key, owner), seconds)

    async def _script(self, script: str, key: str, *arguments: str | bytes) -> int:
        return int(await self._client.eval(script, 1, key, *arguments))


async def _in_time(work: Awaitable[T], seconds: float = _PATIENCE) -> T:
    """Wait for *work*, not for long; what redis-py raises holds what was sent and is not chained."""
    outcome: T | StoreUnavailable
    cancellations = _cancellations()
    try:
        async with asyncio.timeout(seconds):
            outcome = await work
    except (RedisError, RedisClusterException, OSError, RuntimeError) as error:  # a TimeoutError is an OSError
        outcome = StoreUnavailable(f"Redis: {_said(error, seconds)}")
    except BaseException as error:  # a cancellation's frames hold what was sent, too
        cut(error)
        raise
    if _cancellations() > cancellations:
        raise asyncio.CancelledError
    if isinstance(outcome, StoreUnavailable):
        raise outcome
    return outcome


def _cancellations() -> int:
    """Count this task's: redis-py loses one that meets an answer, through asyncio.wait_for() before Python 3.12."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _said(error: BaseException, seconds: float) -> str:
    """Say what *error* says where that is known to repeat nothing that was sent."""
    kind = type(error)
    if kind is TimeoutError:
        tried = _tried(error)
        return f"no answer within {seconds:g} s" + (f", and last: {_said(tried, seconds)}" if tried else "")
    if kind is RedisConnectionError and all(isinstance(part, str) for part in error.args):
        return str(error)
    code = str(error).partition(" ")[0]
    if kind is ResponseError and code.isalpha() and code.isupper():
        return f"it refused with {code}"
    if isinstance(error, RuntimeError):
        return f"the client failed with a {kind.__name__}; it belongs to the event loop that used it first"
    return kind.__name__


def _tried(late: BaseException) -> RedisError | None:
    """Give the error after which the client was trying again when it was too late."""
    error: BaseException | None = late
    while error is not None and not isinstance(error, RedisError):
        error = error.__cause__ or error.__context__
    return error


def _aside(key: str) -> str:
    return f"{key}:corrupt"


def _digest(content: bytes | None) -> str:
    # SHA-1 because Redis has no other; it tells records apart, and proves nothing.
    return "" if content is None else hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _time_left(token: Token) -> str:
    until = end_of_refresh(token)
    if until is None:
        return ""
    return _milliseconds(max(0.0, (until - datetime.now(UTC)).total_seconds()) + _KEPT)


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))
