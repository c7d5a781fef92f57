"""Tell how a token source is doing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from vendorauth._logging import time_of
from vendorauth.engine.account import Account
from vendorauth.engine.freshness import NEVER, Moment
from vendorauth.errors import VendorAuthError
from vendorauth.tokens import JSON

State: TypeAlias = Literal["none", "fresh", "ageing", "stale", "dead"]
"""What a source holds: no token; one to hand out; one that is renewed ahead; one that callers wait to be renewed."""

Health: TypeAlias = Literal["ok", "degraded", "down"]
"""How well a source does: nothing is known to be wrong; it may still serve, but needs a look; calls fail."""


@attrs.frozen(kw_only=True)
class SourceStatus:
    """
    Tell how a token source is doing; safe to show.

    *error* is the class name of what callers would get at once instead of a renewal, for *retry_in* seconds. *age*:
    seconds since the token was issued. *waiting*: how many wait for a renewal, or for its end, now.
    *renewal_from* is when the first call after it renews the token (aware); ``None`` when there is none, or no end.
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
    renewal_from: datetime | None = None

    @property
    def health(self) -> Health:
        """
        How well it does, as far as is known without asking.

        ``"down"``: there is no living token, and the last renewal failed. ``"degraded"``: the token lives, but the last
        renewal failed, or it could not be saved. ``"ok"``: all else, also before the first call. Nobody asks the vendor
        for this: of a token that was revoked, the next call learns it, and then it is ``"degraded"`` until its end.
        """
        failed = self.error is not None or self.failures > 0
        if failed and self.state in {"none", "dead"}:
            return "down"
        return "degraded" if failed or self.unsaved else "ok"

    def to_json(self) -> dict[str, JSON]:
        """
        Give *health* and all fields as JSON can say them, for a health check; times in ISO 8601.

        The account's name is left out, because a person's may be in it.
        """
        fields = attrs.asdict(self, filter=lambda field, _: field.name != "account")
        shown = {name: one.isoformat() if isinstance(one, datetime) else one for name, one in fields.items()}
        return {"health": self.health, **shown}


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
        renewal_from=None if token is None or token.expires_at is None else _renewal_from(account),
    )


def _renewal_from(account: Account) -> datetime | None:
    life, failure = account.life, account.failure
    due = (life.ahead if account.refreshable else life.stale).wall
    return time_of(due if failure is None else max(due, failure.next_try.wall))


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
