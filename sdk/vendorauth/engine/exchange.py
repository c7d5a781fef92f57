"""Run a flow's requests within a deadline, and know whether a refresh token may have been spent for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeAlias, TypeVar, final

import attrs

from vendorauth.errors import ProtocolError, RequestTimeout, TransportError
from vendorauth.messages import Flow, Request, Response

T = TypeVar("T")

Send: TypeAlias = Callable[[Request], Awaitable[Response]]
"""What sends a flow's request and reads its answer whole. Raises `TransportError` or `ProtocolError`."""

FIRST_TRY: Final = 0.75
"""The part of the deadline that a refresh may take before it is repeated."""


@final
class Exchange:
    """
    Speak with the vendor within *deadline* seconds from now on, however many requests that takes.

    *begun* tells whether there was a request, *only_asked* whether the last one only asks, and so carried no password.
    """

    def __init__(self, send: Send, deadline: float) -> None:
        self._send = send
        self.begun: bool = False
        self.only_asked: bool = False
        self._started = asyncio.get_running_loop().time()
        self._deadline = deadline

    async def run(self, flow: Flow[T]) -> T:
        """
        Run *flow* to its end.

        Raises:
            RequestTimeout: The deadline passed; the request under way was aborted.
            VendorAuthError: What the flow or the sending raises.
        """
        return await _Attempt(self._noting).run(flow, self._started + self._deadline, self._deadline)

    async def run_refresh(self, make: Callable[[], Flow[T]]) -> T:
        """
        Run a flow that spends a refresh token; when its answer is lost or unreadable, run it once more (rule 9a).

        Nobody else can have the successor of that token, so sending it again is safe while the lock is held.
        """
        attempt = _Attempt(self._noting)
        share = self._deadline * FIRST_TRY
        try:
            return await attempt.run(make(), self._started + share, share)
        except (TransportError, ProtocolError):
            if not attempt.answer_lost:
                raise
        return await self.run(make())

    async def _noting(self, request: Request) -> Response:
        self.begun, self.only_asked = True, request.only_asks
        return await self._send(request)


@final
class _Attempt:
    """Run one flow once; afterwards *answer_lost* tells whether something was sent whose answer nobody could read."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.answer_lost = False

    async def run(self, flow: Flow[T], until: float, seconds: float) -> T:
        """Run *flow* until the loop's time *until*; *seconds* is for the error's text."""
        step = _advance(flow, None)
        while isinstance(step, Request):
            response = await self._answer(step, until, seconds)
            step = self._read(flow, step, response)
        return step.value

    async def _answer(self, request: Request, until: float, seconds: float) -> Response:
        spends = not request.only_asks
        try:
            async with asyncio.timeout_at(until):
                return await self._send(request)
        except TimeoutError:
            self.answer_lost = spends
        except TransportError as error:
            self.answer_lost = spends and error.sent
            raise
        except ProtocolError:
            self.answer_lost = spends
            raise
        message = f"{request.label} gave no answer within {seconds:g} s"
        raise RequestTimeout(message)

    def _read(self, flow: Flow[T], request: Request, response: Response) -> Request | _Done[T]:
        try:
            return _advance(flow, response)
        except ProtocolError:
            self.answer_lost = response.ok and not request.only_asks
            raise


@attrs.frozen
class _Done(Generic[T]):
    value: T


def _advance(flow: Flow[T], response: Response | None) -> Request | _Done[T]:
    try:
        return next(flow) if response is None else flow.send(response)
    except StopIteration as done:
        return _Done(done.value)
