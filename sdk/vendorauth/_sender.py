"""Send API calls with a token: replays, retries, redirects, deadlines (DESIGN: rules 12 and 13)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar, final

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from vendorauth._calls import Budget, Call
from vendorauth._dates import retry_after
from vendorauth._logging import fields
from vendorauth._replay import Replay, admit
from vendorauth._tracebacks import cut
from vendorauth._urls import NO_URL, same_origin
from vendorauth.engine.clock import Clock
from vendorauth.engine.deadlines import Deadlines
from vendorauth.engine.pauses import pause_after
from vendorauth.engine.sessions import Sessions
from vendorauth.engine.source import TokenSource
from vendorauth.engine.transport import body_of, translated
from vendorauth.engine.trial import Turn
from vendorauth.engine.watching import Watcher
from vendorauth.errors import ApiError, ConfigurationError, TransportError, VendorAuthError
from vendorauth.messages import REDIRECTS, Response
from vendorauth.responses import api_error
from vendorauth.tokens import Token

T = TypeVar("T")

log: Final = logging.getLogger(__name__)

_BACKOFF: Final = (0.2, 5.0)
"""First and largest pause, in seconds, before a call is retried."""

_BUSY: Final = frozenset({429, 502, 503, 504})
_MOST_HOPS: Final = 5


class Dialect(Protocol):
    """Say how a vendor's answers tell success from failure."""

    def status(self, response: Response) -> int:
        """Give the status that counts: an envelope's code where there is one, else HTTP's."""
        ...

    def problem(self, label: str, response: Response, clock: Clock, why: str = "") -> ApiError | None:
        """Make an error of an answer that is no success; *why* ends its sentence."""
        ...


@attrs.frozen(eq=False)
class Answer:
    """What came back: aiohttp's response, which is still open on a stream, and ours."""

    raw: aiohttp.ClientResponse = attrs.field(repr=False)
    response: Response

    async def close(self) -> None:
        """End reading it, as aiohttp's own ``async with`` does."""
        try:
            await self.raw.__aexit__(None, None, None)
        except BaseException as error:  # a cancellation's frames hold the headers, too
            cut(error)
            raise


@final
class Sender:
    """Send calls to one API, as one account."""

    def __init__(self, source: TokenSource, sessions: Sessions, dialect: Dialect, clock: Clock, retries: int) -> None:
        self._source = source
        self._sessions = sessions
        self._dialect = dialect
        self._clock = clock
        self._retries = retries
        self._proven: Token | None = None
        self._proof: CIMultiDict[str] = CIMultiDict()
        self._deadlines = Deadlines()

    async def send(self, call: Call, seconds: float, *, stream: bool = False) -> Answer:
        """
        Send *call* within *seconds*, with a token that serves; on a *stream* the body is left unread.

        Raises:
            ApiError: The answer is no success.
            VendorAuthError: There was none, or no token.
        """
        budget = Budget(seconds, call.label)
        token = self._source.fresh()
        if token is None:
            token, turn = await admit(self._source, partial(self._in_time, budget))
            if turn is not None:
                return await self._try(call, token, turn, budget, stream=stream)
        return await self._send(call, token, budget, stream=stream)

    async def _try(self, call: Call, token: Token, turn: Turn, budget: Budget, *, stream: bool) -> Answer:
        """Send *call* in its *turn*, with credentials that were never accepted."""
        try:
            answer = await self._send(call, token, budget, stream=stream)
        except ApiError:
            turn.end(harmless=True)
            raise
        except TransportError as error:
            turn.end(harmless=not error.sent)
            raise
        else:
            self._source.accepted(token)
            return answer
        finally:
            turn.end()

    async def _send(self, call: Call, token: Token, budget: Budget, *, stream: bool) -> Answer:
        answer = await self._attempt(call, token, budget, stream=stream)
        if self._rejects(answer):
            return await self._replay(call, token, answer, budget, stream=stream)
        return self._accept(call, token, answer)

    def _accept(self, call: Call, token: Token, answer: Answer) -> Answer:
        problem = self._dialect.problem(call.label, answer.response, self._clock)
        if problem is not None:
            answer.raw.close()
            raise problem
        try:
            self._source.absorb(token, answer.response)
        except BaseException:  # a flow's bug, as below
            answer.raw.close()
            raise
        return answer

    def _rejects(self, answer: Answer) -> bool:
        try:
            return self._source.flow.rejects(answer.response)
        except BaseException:  # a flow's bug; of what is left open, aiohttp would log the headers
            answer.raw.close()
            raise

    async def _replay(self, call: Call, token: Token, answer: Answer, budget: Budget, *, stream: bool) -> Answer:
        """Send *call* again with a newer token, as often as rule 12 allows."""
        replay = Replay(self._source, token, call.method, call.url.raw_path, replayable=call.replayable)
        answer.raw.close()
        while await replay.after(self._dialect.status(answer.response), partial(self._in_time, budget)):
            answer = await self._attempt(call, replay.token, budget, stream=stream)
            if not self._rejects(answer):
                return self._accept(call, replay.token, answer)
            answer.raw.close()
        raise self._refused(call, answer, replay.why)

    def _refused(self, call: Call, answer: Answer, why: str) -> VendorAuthError:
        problem = self._dialect.problem(call.label, answer.response, self._clock, why)
        # A flow may reject what its dialect takes for a success.
        return problem or api_error(call.label, answer.response, now=self._clock.now(), status=401, why=why)

    async def _in_time(self, budget: Budget, get: Callable[[], Awaitable[T]]) -> T:
        """Wait for a token, or a turn, until *budget* is over; what a person spends in ``on_challenge`` meanwhile is added to it."""
        end, asked = budget.end, self._source.person_seconds
        while budget.left > 0:
            try:
                async with asyncio.timeout_at(budget.until):
                    return await get()
            except TimeoutError:
                await self._source.person_gone()
            finally:
                budget.end = end + self._source.person_seconds - asked
        raise budget.over()

    async def _attempt(self, call: Call, token: Token, budget: Budget, *, stream: bool) -> Answer:
        headers = self._headers(call, token)
        attempt = 0
        while True:
            attempt += 1
            result = await self._once(call, headers, budget, stream=stream)
            if isinstance(result, Answer) and result.response.status not in _BUSY:
                return result
            pause = self._pause(call, result, attempt, budget) if attempt <= self._retries else None
            if pause is None:
                if isinstance(result, Answer):
                    return result
                raise result
            if isinstance(result, Answer):
                result.raw.close()
            self._log_retry(call, result, pause)
            await asyncio.sleep(pause)

    def _log_retry(self, call: Call, result: Answer | VendorAuthError, pause: float) -> None:
        account = self._source.flow.account
        why = result.response.status if isinstance(result, Answer) else type(result).__name__
        told = fields(account, method=call.method, path=call.url.raw_path, pause=pause)
        log.debug("%s: %s, sent again in %.2f s", call.label, why, pause, extra=told)

    async def _once(
        self, call: Call, headers: CIMultiDict[str], budget: Budget, *, stream: bool
    ) -> Answer | VendorAuthError:
        timeout = self._deadlines.watch(budget.end, budget.loop)
        try:
            async with timeout:
                return await self._exchange(call, headers, stream=stream)
        except TimeoutError:
            trouble: VendorAuthError = budget.over()
        except (aiohttp.ClientError, OSError) as error:
            return translated(error, call.label)
        except ConfigurationError:
            raise
        except (ValueError, TypeError) as error:
            # aiohttp refuses what it can't send so; the text may show it.
            trouble = ConfigurationError(f"{call.label}: this can't be sent ({type(error).__name__})")
        finally:
            self._deadlines.forget(timeout)
        raise trouble

    async def _exchange(self, call: Call, headers: CIMultiDict[str], *, stream: bool) -> Answer:
        raw = await self._sessions.send(call.method, call.url, headers, call.body)
        if raw.status in REDIRECTS:
            raw = await self._follow(call, headers, raw)
        if stream:
            return Answer(raw, Response(raw.status, raw.headers, None))
        # No `async with`: reading to the end gives the connection back, and a read that fails closes it.
        body = await (raw.read() if raw.ok else body_of(raw, raw.read()))
        return Answer(raw, Response(raw.status, raw.headers, body))

    async def _follow(
        self, call: Call, headers: CIMultiDict[str], raw: aiohttp.ClientResponse
    ) -> aiohttp.ClientResponse:
        for _ in range(_MOST_HOPS):
            target = self._redirect(call, raw)
            if target is None:
                break
            raw.release()
            raw = await self._sessions.send(call.method, target, headers, call.body)
        return raw

    def _redirect(self, call: Call, raw: aiohttp.ClientResponse) -> URL | None:
        """Give where a GET or HEAD is redirected to, if that is the same origin; nobody else may see the token."""
        if raw.status not in REDIRECTS or not call.safe:
            return None
        locations = raw.headers.getall("Location", ())
        if len(locations) != 1:  # of two, somebody else wrote one
            return None
        try:
            target = raw.url.join(URL(locations[0]))
            ours = same_origin(self._source.flow.base_url, target)  # yarl reads a port only now
        except NO_URL:
            return None
        return target if ours else None

    def _headers(self, call: Call, token: Token) -> CIMultiDict[str]:
        if token is not self._proven:
            self._proof = CIMultiDict(self._source.flow.headers(token))
            self._proven = token
        if call.headers is None:
            return self._proof
        both = self._proof.copy()
        for name, value in call.headers.items():
            if name in self._proof:
                message = f"the header {name!r} is what proves the login; it can't be given"
                raise ConfigurationError(message)
            both.add(name, value)
        return both

    def _pause(self, call: Call, result: Answer | VendorAuthError, attempt: int, budget: Budget) -> float | None:
        """Give the seconds to wait before *call* is tried again, or ``None`` when it is not."""
        asked: float | None = None
        if isinstance(result, Answer):
            if not call.safe:
                return None
            asked = retry_after(result.response.headers, now=self._clock.now())
        elif not isinstance(result, TransportError) or not call.replayable or (result.sent and not call.safe):
            return None
        pause = pause_after(attempt, _BACKOFF, random.random()) if asked is None else asked  # noqa: S311  a jitter
        return pause if pause < budget.left else None


@final
class WatchedSender:
    """Send calls with *sender*, and let *watcher* see which requests belong to one."""

    def __init__(self, sender: Sender, watcher: Watcher) -> None:
        self._sender = sender
        self._watcher = watcher

    async def send(self, call: Call, seconds: float, *, stream: bool = False) -> Answer:
        """Do what `Sender.send` does."""
        with self._watcher.call():
            return await self._sender.send(call, seconds, stream=stream)
