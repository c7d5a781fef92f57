"""Stand between a client and a fake vendor, and play one fault after another on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Literal, Self, final

import aiohttp
import attrs
from aiohttp.abc import AbstractResolver, ResolveResult

from _raw import LINGER_NOT

End = Literal["close", "reset", "hang", "drip"]
"""What comes after an answer's bytes: the end, a reset, nothing for ever; or they come one by one."""

LONGEST: Final = 60
"""Seconds of the loop's time that a door hangs or drips at most."""

_CHUNK: Final = 64 * 1024
_BLANKS: Final = b" " * _CHUNK


@attrs.frozen
class Genuine:
    """Be the vendor's own answer, of which a fault makes another."""

    status: bytes
    headers: tuple[bytes, ...]
    body: bytes

    @classmethod
    def of(cls, answer: bytes) -> Genuine:
        """Take an answer apart; its length and its end are written anew."""
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        ours = (b"content-length:", b"connection:")
        return cls(first, tuple(one for one in headers if not one.lower().startswith(ours)), body)

    def written(
        self, body: bytes | None = None, *headers: bytes, status: bytes | None = None, length: bytes | None = None
    ) -> bytes:
        """Write it with another *body* or *status*, more *headers*, or a lie about the *length*."""
        content = self.body if body is None else body
        told = b"%d" % len(content) if length is None else length
        first = self.status if status is None else b"HTTP/1.1 " + status
        lines = (first, *self.headers, *headers, b"Connection: close", b"Content-Length: " + told, b"", b"")
        return b"\r\n".join(lines) + content


@attrs.frozen
class Play:
    """Be what is sent in place of an answer, and how it ends; *early* is read first, then come so many *blanks*."""

    content: bytes = b""
    end: End = "close"
    early: bytes = b""
    blanks: int = 0


@attrs.frozen
class Fault:
    """
    Be one fault: *where* it happens, and what *edit* makes of the vendor's answer.

    ``"kept"`` spoils what comes over a connection that has served before; the other places but ``"answer"`` are before
    anything is read.
    """

    where: Literal["answer", "kept", "refused", "connected", "untrusted", "plain", "name"] = "answer"
    edit: Callable[[Genuine], Play] = lambda _: Play(end="reset")


@final
class LoopTime:
    """Let the running loop's time pass at once: what waits for a timeout waits for no second of ours."""

    def __init__(self, monkeypatch: object) -> None:
        loop = asyncio.get_running_loop()
        real = loop.time
        self._ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + self._ahead)  # type: ignore[attr-defined]  # pytest's

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._ahead += seconds


@final
class Watch:
    """Count what the client begins, and how many answers' headers it has seen."""

    def __init__(self) -> None:
        self.begun = 0
        self.answered = 0
        self.config = aiohttp.TraceConfig()
        self.config.on_request_start.append(self._begin)
        self.config.on_request_end.append(self._answer)

    async def _begin(self, *_: object) -> None:
        self.begun += 1

    async def _answer(self, *_: object) -> None:
        self.answered += 1


@final
class Names(AbstractResolver):
    """Resolve every name to the loopback address, unless *broken*."""

    broken = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self.broken:
            raise OSError(None, "MARK no such name")
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Have nothing to close."""


@final
class Door:
    """
    Pass requests on to the server at *port*, until `play` is called; `heal` ends that.

    Connections are closed after each answer, but with *keep*. *arrived* counts the requests that were read since
    `play`, *written* the bytes of spoilt answers that the system took.
    """

    def __init__(
        self,
        port: int,
        time: LoopTime,
        watch: Watch,
        *,
        keep: bool = False,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    ) -> None:
        self.arrived = 0
        self.written = 0
        self._upstream = port
        self._time = time
        self._watch = watch
        self._keep = keep
        self._contexts = contexts
        self._fault: Fault | None = None
        self._times: int | None = None
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def netloc(self) -> str:
        """Where it is: host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def origin(self) -> str:
        """Where it is."""
        return f"http{'s' if self._contexts else ''}://{self.netloc}"

    async def play(self, fault: Fault, times: int | None = None) -> None:
        """Spoil what comes from now on, or the next answers, so many *times*."""
        self._fault, self._times, self.arrived, self.written = fault, times, 0, 0
        if fault.where in {"refused", "untrusted", "plain"}:
            await self._close()
        if fault.where in {"untrusted", "plain"}:
            await self._open(self._contexts[1] if self._contexts and fault.where == "untrusted" else None)

    async def heal(self) -> None:
        """Be what it was before."""
        self._fault = None
        await self._close()
        await self._open(self._contexts[0] if self._contexts else None)

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _open(self, context: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, ssl=context)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is not None and self._fault.where == "connected":
            _reset(writer)
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHUNK)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                if self._fault is not None and self._fault.where == "plain":
                    await self._write(writer, b"HTTP/1.1 400 MARK\r\n\r\n")
                    return
                served = 0
                while await self._answer(reader, writer, served):
                    served += 1
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: int) -> bool:
        request = await _read(reader)
        self.arrived += 1
        fault = self._fault if self._times is None or self.arrived <= self._times else None
        seen = self._watch.answered
        genuine = Genuine.of(await self._pass_on(request))
        if fault is None or (fault.where == "kept" and not served):
            answer = genuine.written()
            await self._write(writer, answer.replace(b"Connection: close\r\n", b"") if self._keep else answer)
            return self._keep
        play = fault.edit(genuine)
        if play.early:
            await self._write(writer, play.early)
            await self._until_seen(seen)
        for _ in range(play.blanks // len(_BLANKS)):
            await self._write(writer, _BLANKS)
        await self._send(play, reader, writer)
        return False

    async def _pass_on(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        first, _, rest = request.partition(b"\r\n")
        writer.write(b"%b\r\nConnection: close\r\n%b" % (first, rest))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def _send(self, play: Play, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        drops = iter(play.content) if play.end == "drip" else iter(b"")
        if play.end != "drip":
            await self._write(writer, play.content)
        if play.end == "reset":
            _reset(writer)
        if play.end in {"hang", "drip"}:
            await self._outlast(drops, reader, writer)

    async def _write(self, writer: asyncio.StreamWriter, content: bytes) -> None:
        for start in range(0, len(content), _CHUNK):
            chunk = content[start : start + _CHUNK]
            writer.write(chunk)
            await writer.drain()
            self.written += len(chunk)

    async def _outlast(self, drops: Iterator[int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let second after second pass, sending one byte in each while there are any, until the client has gone."""
        for _ in range(LONGEST):
            if reader.at_eof() or reader.exception() is not None:
                return
            drop = next(drops, None)
            if drop is not None:
                await self._write(writer, bytes((drop,)))
            self._time.advance(1.0)
            await _settle()
        message = "the client waits for longer than it should"
        raise AssertionError(message)

    async def _until_seen(self, before: int) -> None:
        for _ in range(1000):
            if self._watch.answered > before:
                return
            await asyncio.sleep(0)
        message = "the client has not read the headers"
        raise AssertionError(message)


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
