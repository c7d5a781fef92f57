"""Authenticate the requests of an `httpx.AsyncClient` of your own, and log in with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Final, final

from multidict import CIMultiDict

from vendorauth.integrations._extras import told

try:
    import httpx
except ModuleNotFoundError as _error:
    raise told(_error, "httpx", "httpx") from None

from vendorauth._replay import Replay, admit
from vendorauth._tracebacks import discreetly, discreetly_awaited
from vendorauth.engine.exchange import Send
from vendorauth.engine.sending import send_safely
from vendorauth.engine.source import TokenSource
from vendorauth.errors import ConfigurationError
from vendorauth.integrations._httpx_login import Lent, withhold_secrets
from vendorauth.integrations._proof import Proof, carries
from vendorauth.integrations._verdict import Verdict, judge
from vendorauth.messages import SAFE, Request, Response
from vendorauth.tokens import Token

__all__ = ["VendorAuth", "httpx_send"]

_MOST_HOPS: Final = 5
_STAY_HERE: Final = frozenset({"authorization", "cookie"})
"""The headers that httpx does not send on to another origin."""


def httpx_send(client: httpx.AsyncClient, *, allow_http: bool = False) -> Send:
    """
    Make a ``send`` for a `TokenSource` that logs in through *client*: no aiohttp session is opened then.

    The client lends its transports, with their connections, proxies and TLS, and nothing else: its auth, headers,
    cookies, hooks and timeouts do not count, it keeps no cookie of a login, and it logs none. Redirects are not followed, answers are read up to
    1 MiB, and the source's policy has the deadline. The client is not closed. *allow_http* allows plain http to other
    machines.

    What it gives raises `TransportError`, `ProtocolError` or `ConfigurationError`, never an error of httpx.
    """
    withhold_secrets()
    lent = Lent(client)

    @discreetly_awaited
    async def send(request: Request) -> Response:
        return await send_safely(request, lent.once, allow_http=allow_http)

    return send


@final
class VendorAuth(httpx.Auth):
    """
    Authenticate the requests of an `httpx.AsyncClient` with *source*'s token.

    The token goes to the origin of the flow's base URL and to nobody else; a request to another origin passes as it is.
    So do the requests of *source*'s own login, should its ``send`` use the same client. A header that proves the token
    must not be set by the caller; of cookies, one of the same name gives way.

    A request whose token is refused is sent again with a newer one, twice at most, if its body can be: bytes, text,
    JSON, forms without files. Refused still, the answer is given back as it is: what it means is the caller's to say.

    httpx decides itself what goes along when a client follows redirects, and asks nobody: ``Authorization`` and ``Cookie``
    stay with the origin (but for http to https of the same host), any other header is sent on. So a token that is proved
    by another header is only sent where *never_redirected* promises that the client follows no redirects (httpx's
    default).

    The token is not in the ``request`` of an answer, nor in that of an error, unless that came while httpx followed a
    redirect. Waiting for a token has no timeout but the source's own; cancelling the request cancels nothing but the
    waiting.

    Synchronous clients can't be served: a token is renewed by one task for all who wait, which takes an event loop.

    Raises:
        VendorAuthError: From the client's methods: there is no token to be had, as in `TokenSource.token`.
        ConfigurationError: Likewise: the caller has set a header that proves the token, or that one would be sent on.
    """

    def __init__(self, source: TokenSource, *, never_redirected: bool = False) -> None:
        withhold_secrets()
        self._source = source
        self._base = httpx.URL(str(source.flow.base_url))
        self._never_redirected = never_redirected

    def __repr__(self) -> str:
        return f"<VendorAuth of {self._source.flow.account}>"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """
        Refuse.

        Raises:
            RuntimeError: Always.
        """
        del request
        message = "VendorAuth is for httpx.AsyncClient: one task renews a token for all who wait, in an event loop"
        raise RuntimeError(message)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send *request* with a token, again if need be."""
        if self._source.waits_for_this or not _same_origin(self._base, request.url):
            yield request
            return
        token, turn = await admit(self._source)
        passage = _Passage(self._source, self._base, token, any_header=self._never_redirected)
        following: httpx.Request | None = request
        try:
            while following is not None:
                passage.prove(following)
                answer = yield following
                following = await passage.after(answer)
            if turn is not None:
                turn.end(harmless=not passage.accepted)
        finally:
            passage.end()
            if turn is not None:
                turn.end()


@final
class _Passage:
    """Be one request on its way: it begins with *token*, and is *accepted* in the end, or not."""

    def __init__(self, source: TokenSource, base: httpx.URL, token: Token, *, any_header: bool) -> None:
        self._source = source
        self._base = base
        self._token = token
        self._any_header = any_header
        self._proofs: list[Proof] = []
        self._replay: Replay | None = None
        self._hops = 0
        self.accepted: bool = False

    @discreetly
    def prove(self, request: httpx.Request) -> None:
        """Put the token into *request*."""
        proof, headers = Proof(request.headers), self._source.flow.headers(self._token)
        if not self._any_header:
            _check_names(headers)
        self._proofs.append(proof)
        proof.put(headers)

    @discreetly_awaited
    async def after(self, answer: httpx.Response) -> httpx.Request | None:
        """Take note of *answer*; give the request to send next, if there is one."""
        source, request = self._source, answer.request
        carried = self._carried_by(request)
        self._clean(answer)
        if not _same_origin(self._base, request.url):
            return None
        headers = CIMultiDict(answer.headers.multi_items())
        verdict = await judge(source.flow, answer.status_code, headers, answer.aread)
        replayable = isinstance(request.stream, httpx.ByteStream)
        if not carried:
            return self._once_more(request, safe=request.method in SAFE or (verdict.refused and replayable))
        if verdict.refused:
            return await self._again(request, verdict, replayable=replayable)
        self.accepted = verdict.accepted
        if verdict.accepted:
            source.accepted(self._token)
            source.absorb(self._token, verdict.response)
        return None

    def end(self) -> None:
        """Leave all requests without the token."""
        for proof in self._proofs:
            proof.take_out()

    async def _again(self, request: httpx.Request, verdict: Verdict, *, replayable: bool) -> httpx.Request | None:
        path = request.url.raw_path.partition(b"?")[0].decode()
        if self._replay is None:
            self._replay = Replay(self._source, self._token, request.method, path, replayable=replayable)
        if await self._replay.after(verdict.status):
            self._token = self._replay.token
            return request
        self._replay.give_up(verdict.status)
        return None

    def _once_more(self, request: httpx.Request, *, safe: bool) -> httpx.Request | None:
        """Send *request*, to which a redirect has led, with the cookie that httpx has taken away."""
        self._hops += 1
        return request if safe and self._hops <= _MOST_HOPS else None

    @discreetly
    def _carried_by(self, request: httpx.Request) -> bool:
        return carries(request.headers, self._source.flow.headers(self._token))

    @discreetly
    def _clean(self, answer: httpx.Response) -> None:
        """Take the token out of what httpx has made of a request, or would."""
        self.end()
        made = [one.request for one in (*answer.history, answer)]
        for request in made if answer.next_request is None else [*made, answer.next_request]:
            for name, value in self._source.flow.headers(self._token).items():
                if request.headers.get(name) == value:
                    del request.headers[name]


def _same_origin(base: httpx.URL, url: httpx.URL) -> bool:
    return (base.scheme, base.raw_host, base.port) == (url.scheme, url.raw_host, url.port)


def _check_names(headers: Mapping[str, str]) -> None:
    name = next((one for one in headers if one.lower() not in _STAY_HERE), None)
    if name is not None:
        message = (
            f"httpx would send the header {name!r} on to whoever it is redirected to: say never_redirected=True "
            "if this client follows no redirects"
        )
        raise ConfigurationError(message)
