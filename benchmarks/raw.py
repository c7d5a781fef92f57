"""Send GETs as cheaply as asyncio can: what is left is the floor for every client."""

from __future__ import annotations

import asyncio
from typing import Final, Self, cast, final
from urllib.parse import urlsplit

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"Content-Length: "


@final
class RawPool:
    """Keep *number* sockets open, for as many callers at once, who all ask for the same."""

    def __init__(self, url: str, path: str, token: str, number: int) -> None:
        self._authority = urlsplit(url).netloc
        self._number = number
        self._request = f"GET {path} HTTP/1.1\r\nHost: {self._authority}\r\nAuthorization: {token}\r\n\r\n".encode()
        self._idle: list[_Asking] = []
        self._all: list[_Asking] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        host, _, port = self._authority.partition(":")
        for _ in range(self._number):
            _, asking = await loop.create_connection(_Asking, host, int(port))
            self._all.append(asking)
        self._idle = [*self._all]
        return self

    async def __aexit__(self, *_: object) -> None:
        for asking in self._all:
            asking.transport.close()
        await asyncio.sleep(0)

    async def get(self) -> bytes:
        """Give the body of the answer."""
        asking = self._idle.pop()
        body = await asking.ask(self._request)
        self._idle.append(asking)
        return body


@final
class _Asking(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._answer: asyncio.Future[bytes] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # a socket's is no other

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self._answer = self._loop.create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        head, end, body = received.partition(_HEAD_END)
        if end and len(body) >= int(head.partition(_LENGTH)[2].partition(b"\r\n")[0]):
            self._received = b""
            self._answer.set_result(body)
        else:
            self._received = received
