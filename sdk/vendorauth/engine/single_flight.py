"""Let one piece of work be done at a time, for all who want its outcome, and by none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from enum import Enum
from typing import Any, Final, final

import attrs

from vendorauth._tracebacks import cut, place_of
from vendorauth.errors import AuthServiceUnavailable, ProtocolError, VendorAuthError, own_copy
from vendorauth.tokens import Token

Work = Coroutine[Any, Any, Token | None]


class Kind(Enum):
    """What a flight is for."""

    RENEWAL = "renewal"
    AHEAD = "renewal ahead of expiry"
    LOGIN = "login"
    ANSWER = "answer"
    LOGOUT = "logout"
    LOOK = "look at the store"
    TIDY = "last save"


@attrs.frozen
class Outcome:
    """What a flight ended with: a token, an error, or neither."""

    token: Token | None = None
    error: VendorAuthError | None = None

    def result(self) -> Token:
        """Give the token, or raise the error: a copy, for this caller alone."""
        if self.error is not None:
            raise own_copy(self.error)
        assert self.token is not None
        return self.token


@final
class Flight:
    """
    Be work under way. It runs in a task and a context of its own, so that cancelling whoever waits cancels nothing.

    *waiting* is how many wait for it.

    The task is held by the event loop's slot in `SingleFlight` until it ends; its exception is always retrieved.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind: Final = kind
        self.waiting: int = 0
        self._landed: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[Token | None] | None = None

    def take_off(self, work: Work, land: Callable[[Outcome], None]) -> None:
        """Start *work*; *land* is told its outcome first, then everybody who waits."""

        def landed(task: asyncio.Task[Token | None]) -> None:
            outcome = _outcome(task)
            try:
                land(outcome)
            finally:
                self._landed.set_result(outcome)

        # The context is empty: a renewal belongs to no request, so neither to its trace nor its log fields.
        self._task = asyncio.get_running_loop().create_task(
            work, context=Context(), name=f"vendorauth {self.kind.value}"
        )
        self._task.add_done_callback(landed)

    async def outcome(self) -> Outcome:
        """Wait for the end; never raises but when the caller is cancelled, which does not touch the work."""
        self.waiting += 1
        try:
            # shield: the future is everybody's.
            return await asyncio.shield(self._landed)
        finally:
            self.waiting -= 1


@final
class SingleFlight:
    """Hold the one flight that may be under way."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current: Flight | None = None

    def start(self, kind: Kind, work: Work, settle: Callable[[Outcome], None]) -> Flight:
        """
        Start *work*; there must be no flight under way. *settle* is told the outcome before anybody else.

        The slot is taken before the task exists: an eager task factory may run all of it at once.
        """
        flight = self.current = Flight(kind)

        def land(outcome: Outcome) -> None:
            self.current = None
            settle(outcome)

        flight.take_off(work, land)
        return flight


def _outcome(task: asyncio.Task[Token | None]) -> Outcome:
    if task.cancelled():
        return Outcome(error=AuthServiceUnavailable("the renewal was cancelled together with its event loop"))
    error = task.exception()
    if error is None:
        return Outcome(token=task.result())
    if isinstance(error, VendorAuthError):
        cut(error)
        return Outcome(error=error)
    # A vendor's flow or a user's transport has a bug. Its text may hold what the vendor sent, so only its place is told.
    return Outcome(error=ProtocolError(f"{type(error).__name__} in {place_of(error)}"))
