"""The client is the user's: its rights, its password, its TLS, Sentinel and Cluster."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio.sentinel import Sentinel
from redis.crc import key_slot
from redis.exceptions import RedisError

from _raw import free_port
from _tls import loopback_contexts
from _valkey import JANE, KEY, NEVER, Proxy, Spy, Valkey, ask, binary, client_of, not_shown, port, token_of, until
from vendorauth import Token
from vendorauth.errors import StoreConflict, StoreUnavailable
from vendorauth.stores.redis import _EXTEND, RedisTokenStore

__all__ = ["port"]

COMMANDS = ("get", "set", "del", "pexpire", "eval")
PASSWORD = "MARK-password"


@pytest.fixture
async def admin(port: int) -> AsyncGenerator[redis.asyncio.Redis]:
    async with client_of(port) as one:
        await one.flushall()
        await ask(one, "ACL", "LOG", "RESET")
        yield one


async def everything(client: redis.asyncio.Redis | redis.asyncio.RedisCluster, prefix: str = "vendorauth:") -> None:
    """Do all that a store does, with every script and every command of it."""
    store = RedisTokenStore(client, prefix=prefix, lease=0.2)
    ends = token_of(1, refresh_token=None)
    async with store.lock(JANE):
        await store.save(JANE, ends)
        assert ends == await store.load(JANE)
        await store.save(JANE, token_of(3))
        with pytest.raises(StoreConflict):
            await store.save(JANE, token_of(2))
        await asyncio.sleep(0.1)  # for an extension
        await client.set(prefix + KEY.partition(":")[2], b"broken")
        assert await store.load(JANE) is None
    await store.delete(JANE)


@asynccontextmanager
async def user_with(
    admin: redis.asyncio.Redis, port: int, commands: tuple[str, ...]
) -> AsyncGenerator[redis.asyncio.Redis]:
    """Give a client whose user may do *commands* with keys of the prefix, and nothing else."""
    rights = ["reset", "on", f">{PASSWORD}", "~vendorauth:*", "-@all", *(f"+{name}" for name in commands)]
    await ask(admin, "ACL", "SETUSER", "jane", *rights)
    async with client_of(port, username="jane", password=PASSWORD) as client:
        yield client
    await ask(admin, "ACL", "DELUSER", "jane")


async def denied(admin: redis.asyncio.Redis) -> set[str]:
    """Name the commands that were refused, but for what redis-py tells of itself."""
    log: list[Any] = await ask(admin, "ACL", "LOG")
    entries = [one if isinstance(one, dict) else dict(zip(one[::2], one[1::2], strict=True)) for one in log]
    found = {str(one.get("object", one.get(b"object"))) for one in entries}
    return {name.removeprefix("b'").removesuffix("'").lower() for name in found if "client" not in name.lower()}


async def test_the_rights_that_suffice(admin: redis.asyncio.Redis, port: int) -> None:
    """A user with the documented commands, on keys with the prefix, does all of it; nothing that it sends is refused."""
    documented = RedisTokenStore.__doc__ or ""
    assert all(name.upper() in documented for name in COMMANDS)
    async with user_with(admin, port, COMMANDS) as client:
        await everything(client)
    assert set() == await denied(admin)


@pytest.mark.parametrize("missing", COMMANDS)
async def test_no_right_is_superfluous(admin: redis.asyncio.Redis, port: int, missing: str) -> None:
    """Without any of the documented commands something is refused, and told as StoreUnavailable without a secret."""
    async with user_with(admin, port, tuple(name for name in COMMANDS if name != missing)) as client:
        if missing == "pexpire":
            await admin.set("vendorauth:lock", "owner")
            with pytest.raises(RedisError):
                await RedisTokenStore(client)._script(_EXTEND, "vendorauth:lock", "owner", "1000")
        else:
            with pytest.raises(StoreUnavailable) as caught:
                await everything(client)
            not_shown(caught.value)
    assert {missing} == await denied(admin)


async def test_keys_of_others(admin: redis.asyncio.Redis, port: int) -> None:
    """A user with rights for one prefix is refused another one, told by its kind."""
    async with user_with(admin, port, COMMANDS) as client:
        with pytest.raises(StoreUnavailable, match=r"^Redis: NoPermissionError$"):
            await RedisTokenStore(client, prefix="other:").load(JANE)


@pytest.mark.parametrize("password", ["MARK-wrong", None])
async def test_a_wrong_password(admin: redis.asyncio.Redis, password: str | None) -> None:
    """A server with a password refuses clients without it: StoreUnavailable; with it, all is done."""
    port = admin.connection_pool.connection_kwargs["port"]
    await admin.config_set("requirepass", PASSWORD)
    try:
        async with client_of(port, password=password, retry=NEVER) as client:
            with pytest.raises(StoreUnavailable, match=r"^Redis: AuthenticationError$") as caught:
                await RedisTokenStore(client).save(JANE, token_of())
        not_shown(caught.value)
        async with client_of(port, password=PASSWORD) as client:
            await everything(client)
    finally:
        await admin.config_set("requirepass", "")


async def test_tls(port: int, tmp_path: Path) -> None:
    """A client with TLS does all of it, and one that does not trust the server's certificate is StoreUnavailable."""
    server, _ = loopback_contexts(tmp_path)
    options = {"host": "127.0.0.1", "ssl": True}
    async with Proxy(port, server) as proxy:
        async with client_of(proxy.port, ssl_ca_certs=str(tmp_path / "loopback.pem"), **options) as client:
            await everything(client)
        async with client_of(proxy.port, retry=NEVER, **options) as client:
            with pytest.raises(StoreUnavailable) as caught:
                await RedisTokenStore(client).load(JANE)
            not_shown(caught.value)


async def test_another_database(port: int) -> None:
    """Databases are told apart, as the client is made for one."""
    async with client_of(port, db=1) as one, client_of(port, db=2) as two:
        await RedisTokenStore(one).save(JANE, token_of())
        assert await RedisTokenStore(two).load(JANE) is None
        await RedisTokenStore(one).delete(JANE)


async def test_a_cluster() -> None:
    """A cluster's client does all of it: every command has one key, and the three keys of an account differ in slot."""
    with Valkey(**{"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        async with client_of(server.port) as admin:
            await ask(admin, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")

            async def is_ready() -> bool:
                return b"cluster_state:ok" in await ask(admin, "CLUSTER", "INFO")

            await until(is_ready, "the cluster is not ready")
        async with redis.asyncio.RedisCluster(host="127.0.0.1", port=server.port) as cluster:
            await everything(cluster)
            await server_goes(server, cluster)
    assert 3 == len({key_slot(key.encode()) for key in (KEY, f"{KEY}:lock", f"{KEY}:corrupt")})


async def server_goes(server: Valkey, cluster: redis.asyncio.RedisCluster) -> None:
    """Check that a cluster that is down is a StoreUnavailable within two seconds."""
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(server.kill)
    begun = loop.time()
    with pytest.raises(StoreUnavailable) as caught:
        await RedisTokenStore(cluster).load(JANE)
    assert loop.time() - begun < 2.5
    not_shown(caught.value)


@asynccontextmanager
async def sentinel_for(port: int, folder: Path) -> AsyncGenerator[Sentinel]:
    """Run a Sentinel that watches the server on *port*."""
    own = free_port()
    config = folder / "sentinel.conf"
    config.write_text(f"bind 127.0.0.1\nport {own}\nsentinel monitor ours 127.0.0.1 {port} 1\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary(), config, "--sentinel"], stdout=log, stderr=log, cwd=folder)  # noqa: ASYNC220  it starts at once
    sentinel = Sentinel([("127.0.0.1", own)])  # type: ignore[no-untyped-call]  # redis-py has no type for it
    try:

        async def is_ready() -> bool:
            try:
                return bool(await sentinel.discover_master("ours"))
            except RedisError:
                return False

        await until(is_ready, "Sentinel is not ready")
        yield sentinel
    finally:
        for one in sentinel.sentinels:
            await one.aclose()
        process.kill()
        process.wait()


async def test_sentinel(tmp_path: Path) -> None:
    """A client that asks Sentinel for its server does all of it; one for a server that none knows is StoreUnavailable."""
    with Valkey() as server:
        async with sentinel_for(server.port, tmp_path) as sentinel:
            async with sentinel.master_for("ours") as client:
                await everything(client)
            async with sentinel.master_for("theirs") as client:
                with pytest.raises(StoreUnavailable, match=r"^Redis: .*MasterNotFoundError$"):
                    await RedisTokenStore(client).load(JANE)


async def test_scripts_need_no_cache(admin: redis.asyncio.Redis, port: int) -> None:
    """Scripts are sent whole: a server that was restarted, or another one of a failover, knows them at once."""
    token: Token = token_of()
    async with Spy(port=port) as spy:
        await RedisTokenStore(spy).save(JANE, token)
        await admin.script_flush()
        await RedisTokenStore(spy).save(JANE, token)
        assert {"EVAL"} == {command[0] for command in spy.sent}
