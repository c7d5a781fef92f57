"""Keep the rules that hold for each request of a login, whatever library sends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from vendorauth._urls import is_loopback
from vendorauth.errors import ConfigurationError, ProtocolError, RequestTimeout, TransportError
from vendorauth.messages import Request, Response

PATIENCE_WITH_REFUSALS: Final = 5.0
"""Seconds for which the body of an answer that is no success is waited for."""

LONGEST_ANSWER: Final = 1024 * 1024
"""Bytes of an auth answer that are read at most, after decompression."""

Once: TypeAlias = Callable[[Request, str], Awaitable[Response]]
"""Sends a request once; the text is how errors call it."""


async def send_safely(request: Request, once: Once, *, allow_http: bool) -> Response:
    """
    Send *request*; a GET whose connection is lost once more, at once: it changes nothing and carries no password.

    Raises:
        ConfigurationError: It would be plain http to another machine, and *allow_http* was not said.
    """
    label = f"{request.label} at {request.url.host}"
    if not allow_http and request.url.scheme != "https" and not is_loopback(request.url.host or ""):
        message = f"{label}: this would be plain http, which shows passwords and tokens to the network"
        raise ConfigurationError(message)
    try:
        return await once(request, label)
    except TransportError as error:
        if not request.only_asks or not error.sent or isinstance(error, RequestTimeout):
            raise
    # A connection that was kept may have ended by itself; who only asks may ask again.
    return await once(request, label)


def append(body: bytearray, chunk: bytes, label: str, status: int) -> None:
    """
    Put *chunk* behind what came of an answer's *body* so far.

    Raises:
        ProtocolError: The answer is too long.
    """
    body += chunk
    if len(body) > LONGEST_ANSWER:
        message = f"{label}: the answer ({status}) is longer than {LONGEST_ANSWER} bytes"
        raise ProtocolError(message)
