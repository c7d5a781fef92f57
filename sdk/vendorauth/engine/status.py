"""Tell how a token source is doing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from vendorauth.engine.account import Account
from vendorauth.engine.freshness import NEVER, Moment
from vendorauth.errors import VendorAuthError

State: TypeAlias = Literal["none", "fresh", "ageing", "stale", "dead"]
"""What a source holds: no token; one to hand out; one that is renewed ahead; one that callers wait to be renewed."""


@attrs.frozen(kw_only=True)
class SourceStatus:
    """
    Tell how a token source is doing; safe to show.

    *error* is the class name of what callers would get at once instead of a renewal, for *retry_in* seconds. *age*:
    seconds since the token was issued. *waiting*: how many wait for a renewal, or for its end, now.
    """

    account: str
    state: State
    generation: int | None
    issued_at: datetime | None
    expires_at: datetime | None
    renewing: bool
    unsaved: bool
    failures: int
    error: str | None
    retry_in: float | None
    age: float | None = None
    waiting: int = 0


def status_of(name: str, account: Account, now: Moment) -> SourceStatus:
    """
    Describe *account*, which is called *name*, as seen at *now*.

    A thread of an exporter of metrics may ask while the event loop changes it: nothing here is looked at twice.
    """
    token, flight = account.token, account.flights.current
    error = account.latched(now)
    return SourceStatus(
        account=name,
        state=_state(account, now),
        generation=token.generation if token else None,
        issued_at=token.issued_at if token else None,
        expires_at=token.expires_at if token else None,
        renewing=flight is not None,
        unsaved=account.unsaved,
        failures=account.attempts,
        error=type(error).__name__ if error else None,
        retry_in=None if error is None else _retry_in(account, error, now),
        age=None if token is None else now.wall - token.issued_at.timestamp(),
        waiting=flight.waiting if flight else 0,
    )


def _retry_in(account: Account, error: VendorAuthError, now: Moment) -> float | None:
    failure, refusal = account.failure, account.refusal
    if failure is not None and error is failure.error:
        return failure.next_try.left(now)
    until = account.challenge_until if error is account.challenge else None
    if refusal is not None and until is None:
        return refusal.left(now)
    return None if until is None or until == NEVER else until.left(now)


def _state(account: Account, now: Moment) -> State:
    if account.token is None:
        return "none"
    life = account.life
    if life.end.passed(now):
        return "dead"
    if life.stale.passed(now):
        return "stale"
    return "ageing" if life.ahead.passed(now) else "fresh"
