"""Authenticate the requests of an `aiohttp.ClientSession` of your own."""

from __future__ import annotations

import asyncio
from typing import final

from aiohttp import BytesPayload, ClientError, ClientRequest, ClientResponse, MultipartWriter, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType

from vendorauth._replay import Replay, admit
from vendorauth._tracebacks import discreetly_awaited
from vendorauth._urls import same_origin
from vendorauth.engine.source import TokenSource
from vendorauth.engine.transport import body_of, was_sent
from vendorauth.integrations._proof import Proof
from vendorauth.integrations._verdict import Verdict, judge
from vendorauth.tokens import Token

__all__ = ["authenticate"]


def authenticate(source: TokenSource) -> ClientMiddlewareType:
    """
    Make a client middleware that sends *source*'s token along: ``ClientSession(middlewares=[authenticate(source)])``.

    The token goes to the origin of the flow's base URL and to nobody else; a request to another origin, a redirect's
    included, passes as it is. So do the requests of *source*'s own login, should its ``send`` use the same session. A
    header that proves the token must not be set by the caller; of cookies, one of the same name gives way.

    A request whose token is refused is sent again with a newer one, twice at most, if its body can be: bytes, text,
    JSON, forms without files. Refused still, the answer is given back as it is: what it means is the caller's to say. Its
    body can be read; that of other answers has been read, and is kept, only where the flow looks at JSON bodies.

    The token is not in the ``request_info`` of an answer. Waiting for one counts for the session's timeouts.
    Cancelling the request cancels nothing but the waiting.

    Raises:
        VendorAuthError: From the session's methods: there is no token to be had, as in `TokenSource.token`.
        ConfigurationError: Likewise: the caller has set a header that proves the token.
    """

    @discreetly_awaited
    async def middleware(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if source.waits_for_this or not same_origin(source.flow.base_url, request.url):
            return await handler(request)
        passage = _Passage(source, request, handler)
        try:
            return await passage.send()
        finally:
            passage.end()

    return middleware


@final
class _Passage:
    """Be one request on its way through the middleware."""

    def __init__(self, source: TokenSource, request: ClientRequest, handler: ClientHandlerType) -> None:
        self._source = source
        self._request = request
        self._handler = handler
        self._proof = Proof(request.headers)

    async def send(self) -> ClientResponse:
        """Send it with a token that serves, in its turn where that one is on trial."""
        token, turn = await admit(self._source)
        if turn is None:
            return (await self._send(token))[0]
        try:
            answer, accepted = await self._send(token)
            turn.end(harmless=not accepted)
        except (ClientError, OSError) as error:
            turn.end(harmless=not was_sent(error))
            raise
        finally:
            turn.end()
        return answer

    def end(self) -> None:
        """Leave the request as it was."""
        self._proof.take_out()

    async def _send(self, token: Token) -> tuple[ClientResponse, bool]:
        """Send it, again if need be; tell whether it was accepted."""
        request = self._request
        answer, verdict = await self._once(token)
        if not verdict.refused:
            return answer, verdict.accepted
        replayable = _is_replayable(request.body)
        replay = Replay(self._source, token, request.method, request.url.raw_path, replayable=replayable)
        while await replay.after(verdict.status):
            answer, verdict = await self._once(replay.token)
            if not verdict.refused:
                return answer, verdict.accepted
        replay.give_up(verdict.status)
        return answer, False

    async def _once(self, token: Token) -> tuple[ClientResponse, Verdict]:
        source = self._source
        self._proof.put(source.flow.headers(token))
        answer = await self._handler(self._request)
        try:
            verdict = await judge(source.flow, answer.status, answer.headers, lambda: _read(answer))
            if verdict.accepted:
                source.accepted(token)
                source.absorb(token, verdict.response)
        except BaseException:
            answer.close()
            raise
        return answer, verdict


async def _read(answer: ClientResponse) -> bytes:
    """Read *answer* whole, so that its connection is free while a token is renewed, and let the caller read it again."""
    body = await (answer.read() if answer.ok else body_of(answer, answer.read()))
    if body:
        loop = asyncio.get_running_loop()
        # A protocol of its own, because the answer's has another request by now; as nothing comes, nothing is to be paused.
        answer.content = StreamReader(BaseProtocol(loop), len(body), loop=loop)
        answer.content.feed_data(body)
        answer.content.feed_eof()
    return body


def _is_replayable(body: object) -> bool:
    if isinstance(body, MultipartWriter):
        return all(isinstance(part, BytesPayload) for part, _, _ in body)
    return not body or isinstance(body, BytesPayload)
