"""Send the requests of a login through an httpx client's transports."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import Final, final

import httpx
from multidict import CIMultiDict

from vendorauth._version import __version__
from vendorauth.engine.sending import PATIENCE_WITH_REFUSALS, append
from vendorauth.errors import ConfigurationError, ProtocolError, RequestTimeout, TransportError, VendorAuthError
from vendorauth.messages import Request, Response

_USER_AGENT: Final = f"vendorauth/{__version__} python-httpx/{httpx.__version__}"

_NO_TIMEOUT: Final = httpx.Timeout(None).as_dict()
"""Time is kept by whoever sends."""

_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

_SET_COOKIE: Final = re.compile(r"""(b'set-cookie', )b(['"]).*?(?<!\\)\2\)""", re.IGNORECASE)


@final
class Lent:
    """Send with the transports that *client* lends: what it adds to its own requests is not ours to send."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def once(self, request: Request, label: str) -> Response:
        """
        Send *request*, once, and read its answer.

        Raises:
            TransportError: Nothing, or not all, came back.
            ProtocolError: The answer is too long, or can't be decompressed.
            ConfigurationError: The client is closed, or this can't be sent.
        """
        if self._client.is_closed:
            message = "the httpx client that was lent to this token source is closed"
            raise ConfigurationError(message)
        try:
            return await self._exchange(_made(request, label), label)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            trouble = _translated(error, label)
        raise trouble

    async def _exchange(self, request: httpx.Request, label: str) -> Response:
        # The client's own send() would keep cookies, run hooks and log the URL with its query.
        transport = self._client._transport_for_url(request.url)  # noqa: SLF001  it has no public name
        answer = await transport.handle_async_request(request)
        try:
            headers = CIMultiDict(answer.headers.multi_items())
            return Response(answer.status_code, headers, await _body(answer, label))
        finally:
            await answer.aclose()


def _made(request: Request, label: str) -> httpx.Request:
    headers = CIMultiDict(request.headers)
    for name, value in (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", _USER_AGENT)):
        headers.setdefault(name, value)
    given, url = list(headers.items()), str(request.url)
    extensions = {"timeout": _NO_TIMEOUT}
    try:
        return httpx.Request(request.method, url, headers=given, content=request.body or None, extensions=extensions)
    except (httpx.InvalidURL, TypeError, ValueError):
        del given, url, headers
    message = f"{label}: this can't be sent"
    raise ConfigurationError(message)


async def _body(answer: httpx.Response, label: str) -> bytes:
    """Read *answer*; of one that is no success, status and headers tell enough."""
    if answer.is_success:
        return await _read(answer, label)
    with suppress(httpx.HTTPError, ProtocolError, TimeoutError):
        async with asyncio.timeout(PATIENCE_WITH_REFUSALS):
            return await _read(answer, label)
    return b""


async def _read(answer: httpx.Response, label: str) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        append(body, chunk, label, answer.status_code)
    return bytes(body)


def _translated(error: httpx.HTTPError | httpx.StreamError | OSError, label: str) -> VendorAuthError:
    """Make our error of httpx's or the system's; not chained, because httpx's errors hold the request."""
    sent = not isinstance(error, _NOT_SENT)
    match error:
        case httpx.UnsupportedProtocol():
            return ConfigurationError(f"{label}: this URL can't be sent to")
        case httpx.TimeoutException() | TimeoutError():
            return RequestTimeout(f"{label}: {'no answer' if sent else 'no connection'} in time", sent)
        case httpx.DecodingError():
            return ProtocolError(f"{label}: the answer is not proper HTTP")
        case httpx.ProxyError():
            return TransportError(f"{label}: the proxy did not let it through", sent)
        case httpx.ConnectError():
            return TransportError(f"{label}: can't connect", sent)
        case _:
            what = f"the connection was lost before the answer was complete ({type(error).__name__})"
            return TransportError(f"{label}: {what}", sent)


@final
class _Withholding(logging.Filter):
    """Take the values of Set-Cookie out of what httpcore logs of an answer."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with less in it."""
        record.msg = _SET_COOKIE.sub(r"\1b'...')", str(record.msg))
        return True


@final
class _WithholdingAll(logging.Filter):
    """Leave of what hpack logs, the headers of HTTP/2 both ways, only what it does with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with what its text begins with."""
        record.msg, record.args = str(record.msg).partition("%")[0] + "...", ()
        return True


_WITHHOLDING: Final = {
    **dict.fromkeys(("httpcore.http11", "httpcore.http2"), _Withholding()),
    **dict.fromkeys(("hpack.hpack", "hpack.table"), _WithholdingAll()),
}


def withhold_secrets() -> None:
    """Let httpcore, which logs the headers of answers at DEBUG, and hpack, which logs all, show neither session nor password."""
    for name, withholding in _WITHHOLDING.items():
        logging.getLogger(name).addFilter(withholding)
