"""Issue tokens as told, and answer every GET at as little cost as Python allows."""

from __future__ import annotations

import asyncio
import re
import time
from multiprocessing.connection import Connection
from typing import Final, cast

import attrs
import msgspec
from answering import SMALL

_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_BEARER: Final = re.compile(rb"authorization: Bearer (\S+)", re.IGNORECASE)
_PAD: Final = "e" * 880
"""Makes a token as long as a JWT of Amazon Cognito's."""


@attrs.frozen
class Orders:
    """Say what requests for tokens get: after *delay* seconds a token of *life* seconds, or what *status* says."""

    life: int = 36_000
    delay: float = 0.0
    status: int = 200


@attrs.define
class Seen:
    """Count requests for tokens, and answers to other requests *meanwhile*: while one of these waited."""

    renewals: int = 0
    meanwhile: int = 0


class _Authority:
    """Be what all connections share; tokens are told apart to know when each ends."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.seen = Seen()
        self.waiting = 0
        self._ends: dict[bytes, float] = {}
        self._refused = _answer(401, b"{}")
        self._small = _answer(200, SMALL)

    def api(self, request: bytes) -> bytes:
        """Answer what is no request for a token: 401 where the token has ended."""
        self.seen.meanwhile += bool(self.waiting)
        bearer = _BEARER.search(request)
        if bearer is not None and self._ends.get(bearer[1], 0.0) < time.time():
            return self._refused
        return self._small

    def token(self) -> bytes:
        """Issue one, or what was ordered instead."""
        if self.orders.status != 200:
            return _answer(self.orders.status, b"{}")
        value = f"{len(self._ends):08}{_PAD}"
        self._ends[value.encode()] = time.time() + self.orders.life
        issued = {
            "access_token": value,
            "refresh_token": f"refresh{_PAD}",
            "token_type": "Bearer",
            "expires_in": self.orders.life,
            "refresh_in": self.orders.life,
        }
        return _answer(200, msgspec.json.encode(issued))


class _Connection(asyncio.Protocol):
    """Read one request after the other."""

    def __init__(self, authority: _Authority) -> None:
        self._authority = authority
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where the answers go."""
        self._transport = cast("asyncio.Transport", transport)  # a server's is no other

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or (length is not None and len(body) < int(length[1])):
            return
        self._received = b""
        if head.startswith(b"GET"):
            self._transport.write(self._authority.api(head))
            return
        authority = self._authority
        authority.seen.renewals += 1
        authority.waiting += 1
        asyncio.get_running_loop().call_later(authority.orders.delay, self._issue)

    def _issue(self) -> None:
        self._authority.waiting -= 1
        self._transport.write(self._authority.token())


async def issue(pipe: Connection) -> None:
    """Serve at a free port of the loopback interface; for `Orders`, give what was `Seen` since the last; end at ``None``."""
    authority, loop = _Authority(), asyncio.get_running_loop()
    listening = await loop.create_server(lambda: _Connection(authority), "127.0.0.1", 0, backlog=1024)
    pipe.send(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    while (orders := await asyncio.to_thread(pipe.recv)) is not None:
        seen, authority.seen, authority.orders = authority.seen, Seen(), orders
        pipe.send(seen)
    listening.close()


def _answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
