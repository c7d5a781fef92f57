"""Send a flow's requests: the one place where aiohttp is called for a login."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, final

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from vendorauth.engine.sending import PATIENCE_WITH_REFUSALS, append, send_safely
from vendorauth.engine.sessions import Sessions
from vendorauth.errors import ConfigurationError, ProtocolError, RequestTimeout, TransportError, VendorAuthError
from vendorauth.messages import Request, Response

_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ClientHttpProxyError,
)


@final
class Transport:
    """
    Send a request and read its answer whole, up to 1 MiB; redirects are never followed.

    A GET whose connection is lost is sent once more, at once: it changes nothing and carries no password.

    Raises:
        TransportError: Nothing, or not all, came back.
        ProtocolError: The answer is too long, or no HTTP.
        ConfigurationError: It would be plain http to another machine, and *allow_http* was not said.
    """

    __slots__ = ("_allow_http", "_sessions")

    def __init__(self, sessions: Sessions, *, allow_http: bool = False) -> None:
        self._sessions = sessions
        self._allow_http = allow_http

    async def __call__(self, request: Request) -> Response:
        """Send *request*, whole."""
        return await send_safely(request, self._once, allow_http=self._allow_http)

    async def _once(self, request: Request, label: str) -> Response:
        try:
            answer = await self._sessions.send(
                request.method, request.url, request.headers, request.body or None, skip=("Content-Type",)
            )
            async with answer:
                return Response(answer.status, answer.headers, await body_of(answer, _read(answer, label)))
        except (aiohttp.ClientError, OSError) as error:
            trouble = translated(error, label)
        raise trouble


async def body_of(answer: aiohttp.ClientResponse, reading: Awaitable[bytes]) -> bytes:
    """
    Give what *reading* gives; of an answer that is no success, status and headers tell enough.

    So nothing is made of a refusal's body that is cut, garbled, too long or slow: else a refused password would pass
    for one that nobody has looked at, and be sent again.
    """
    if answer.ok:
        return await reading
    try:
        async with asyncio.timeout(PATIENCE_WITH_REFUSALS):
            return await reading
    except (aiohttp.ClientError, ProtocolError, TimeoutError):
        return b""


async def _read(answer: aiohttp.ClientResponse, label: str) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        append(body, chunk, label, answer.status)
    return bytes(body)


def was_sent(error: aiohttp.ClientError | OSError) -> bool:
    """Tell whether something of the request may have arrived somewhere."""
    return not isinstance(error, _NOT_SENT)


def translated(error: aiohttp.ClientError | OSError, label: str) -> VendorAuthError:
    """
    Make our error of aiohttp's or the system's.

    It is not chained: aiohttp's errors hold the request with its headers, and their tracebacks its body.
    """
    sent = was_sent(error)
    if isinstance(error, aiohttp.InvalidURL):
        return ConfigurationError(f"{label}: this URL can't be sent to")
    if isinstance(error, TimeoutError):
        return RequestTimeout(f"{label}: {'no answer' if sent else 'no connection'} in time", sent)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return TransportError(f"{label}: the proxy answered {error.status}", sent)
    if isinstance(error, aiohttp.ClientResponseError) or isinstance(error.__cause__, ContentEncodingError):
        return ProtocolError(f"{label}: the answer is not proper HTTP")
    return TransportError(f"{label}: {_what(error)}", sent)


def _what(error: aiohttp.ClientError | OSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name can't be resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the host's certificate can't be verified"
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"can't connect ({error.strerror or type(error).__name__})"
    return f"the connection was lost before the answer was complete ({type(error).__name__})"
