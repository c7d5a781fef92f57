"""Say with which token a request is sent, and what comes after a refusal: the one place for rules 10, 12 and 13."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar, final

from vendorauth._logging import fields
from vendorauth.engine.source import TokenSource
from vendorauth.engine.trial import Turn
from vendorauth.errors import TransportError
from vendorauth.events import Replayed
from vendorauth.tokens import Token

log: Final = logging.getLogger(__name__)

T = TypeVar("T")

_FUTILE: Final = "; renewing did not help a short while ago, or was done too often"
_ONE_WAY: Final = "; the token is renewed, but this body can't be sent twice: call again"
_IN_VAIN: Final = "; a renewed token was refused as well"


class Wait(Protocol):
    """Wait for what the source gives, for as long as whoever sends the request has time."""

    def __call__(self, get: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Await what *get* gives."""
        ...


def at_leisure(get: Callable[[], Awaitable[T]]) -> Awaitable[T]:
    """Wait for as long as it takes: somebody else keeps the time."""
    return get()


async def admit(source: TokenSource, wait: Wait = at_leisure) -> tuple[Token, Turn | None]:
    """
    Give the token to send a request with.

    While that one consists of credentials that were never accepted, the request has a turn, which the caller ends.
    """
    token = await wait(source.token)
    while (trial := source.trial) is not None:
        turn = await wait(trial.turn)
        over = True
        try:
            token = await wait(source.token)
            over = trial.over
        except TransportError as error:
            turn.end(harmless=not error.sent)
            raise
        finally:
            if over:
                turn.end()
        if not over:
            return token, turn
    return token, None


@final
class Replay:
    """
    Be what becomes of one request whose token was refused: at most one renewal and two replays (rule 12).

    *token* is the one it carried last, *why* the end of the sentence that says why it is not sent again.
    """

    def __init__(self, source: TokenSource, token: Token, method: str, path: str, *, replayable: bool) -> None:
        self._source = source
        self._method = method
        self._path = path
        self._replayable = replayable
        self._known: Token | None = None
        self._replays = 0
        self.token: Token = token
        self.why: str = ""

    async def after(self, status: int, wait: Wait = at_leisure) -> bool:
        """
        Take note of a refusal with *status*; tell whether to send the request again, with what is `token` then.

        First with one that is there already, then with one from a renewal. Raises what `TokenSource.renew` does.
        """
        source = self._source
        if self._replays and self._is_over:
            current = source.peek()
            if current is None or not current.is_newer_than(self.token):
                source.replay_refused(self.token, status)
            return self._end(_IN_VAIN)
        if self._replays:
            # Now a renewal is due, whatever value a cookie has rolled to meanwhile.
            self.token = _of_generation(source.peek(), self.token)
        self._known = source.peek()
        newer = await wait(partial(source.renew, self.token, status=status))
        if newer is self.token:
            return self._end(_FUTILE)
        if not self._replayable:
            return self._end(_ONE_WAY)
        self._replays += 1
        self.token = newer
        self._report(status)
        return True

    def give_up(self, status: int) -> None:
        """Log that an answer with *status* is handed back, where no error tells of it."""
        account, method, path = self._source.flow.account, self._method, self._path
        told = fields(account, method=method, path=path, status=status)
        log.info("%s %s: the token was refused (%d)%s", method, path, status, self.why, extra=told)

    def _report(self, status: int) -> None:
        account, method, path = self._source.flow.account, self._method, self._path
        told = fields(account, method=method, path=path, status=status)
        log.debug("%s %s: the token was refused with %d, sent again with a newer one", method, path, status, extra=told)
        self._source.report(Replayed(account=account, method=method, path=path, status=status))

    @property
    def _is_over(self) -> bool:
        """Whether there was a last replay: the second one, or one with a token that was renewed for it."""
        renewed = self.token is not self._known and not self._source.is_adopted(self.token)
        return self._replays > 1 or renewed

    def _end(self, why: str) -> bool:
        self.why = why
        return False


def _of_generation(current: Token | None, token: Token) -> Token:
    """Give *current* where it is *token* with a value that has rolled, else *token*."""
    return current if current is not None and current.generation == token.generation else token
