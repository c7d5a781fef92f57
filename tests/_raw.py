"""Be a server that knows no HTTP: it records the bytes that arrive, and answers with the bytes that a test wrote."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from contextlib import suppress
from typing import Final, Self, final

PATIENCE: Final = 20.0
LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Step:
    """Be one thing to do with a request that has arrived: send *content*, then *close* or *reset* the connection."""

    def __init__(self, content: bytes = b"", *, close: bool = False, reset: bool = False, hang: bool = False) -> None:
        self.content = content
        self.close = close
        self.reset = reset
        self.hang = hang


RESET: Final = Step(reset=True)
CLOSE: Final = Step(close=True)
HANG: Final = Step(hang=True)


def http(body: bytes = b"{}", status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """Write an answer; *length* is a lie about the body's."""
    told = len(body) if length is None else length
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {told}", "", "")
    return "\r\n".join(lines).encode() + body


class LoopbackServer:
    """Listen on the loopback interface; each connection is served by a task of its own, which ends with the server."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


@final
class RawServer(LoopbackServer):
    """
    Answer the n-th request with the n-th of *steps* (bytes: send them and keep the connection), then with ``{}``.

    *greeting* is sent to whoever connects, before anything is read; the connection is closed then.
    """

    def __init__(
        self, *steps: bytes | Step, greeting: bytes | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(context)
        self.steps = [Step(one) if isinstance(one, bytes) else one for one in steps]
        self.received: list[bytes] = []
        self._greeting = greeting
        self._arrived = asyncio.Event()

    @property
    def origin(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}"

    async def arrived(self, n: int = 1) -> None:
        """Wait until *n* requests have arrived."""
        async with asyncio.timeout(PATIENCE):
            while len(self.received) < n:
                self._arrived.clear()
                await self._arrived.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._greeting is not None:
                writer.write(self._greeting)
                await writer.drain()
                return
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.received.append(head + body)
        self._arrived.set()
        step = self.steps.pop(0) if self.steps else Step(http())
        if step.hang:
            await asyncio.Event().wait()
        writer.write(step.content)
        await writer.drain()
        if step.reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            writer.transport.abort()
        return not (step.close or step.reset)


def head_of(received: bytes) -> dict[str, list[str]]:
    """Read a request's headers: lower-case names, values in the order in which they came."""
    headers: dict[str, list[str]] = {}
    for line in received.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    return headers


def free_port() -> int:
    """Give a port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
