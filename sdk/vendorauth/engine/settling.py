"""Decide what follows from an error: how long it is told to all, and whether the store ends that sooner (rules 9, 9b)."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from vendorauth._logging import clock_time, fields, time_of
from vendorauth.engine.account import Account, Failure
from vendorauth.engine.freshness import Moment
from vendorauth.engine.pauses import pause_for
from vendorauth.engine.refusals import is_definite
from vendorauth.engine.renewal import Renewal
from vendorauth.engine.setup import Setup
from vendorauth.engine.single_flight import Kind, Outcome
from vendorauth.errors import ChallengeRequired, InvalidCredentials, ReauthenticationRequired, VendorAuthError
from vendorauth.events import RenewalFailed
from vendorauth.tokens import Token

log: Final = logging.getLogger(__name__)

_DOING: Final = {Kind.LOGIN: "logging in", Kind.ANSWER: "answering for"}

LOOK_WITHIN: Final = 2.0
"""Seconds that callers wait for a look at the store while an error is latched."""


async def look(setup: Setup, account: Account, replaced: Token | None) -> bool:
    """Look, at most once a second and all callers together, whether the store has a usable token newer than *replaced*."""
    flight = account.looks.current
    if flight is None:
        if not account.may_look(setup.moment()):
            return False
        work = Renewal(setup, account, replaces=replaced).glance()
        flight = account.looks.start(Kind.LOOK, work, lambda _: None)
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            return (await flight.outcome()).token is not None
    except TimeoutError:
        return False


def is_final(setup: Setup, account: Account, kind: Kind, error: VendorAuthError) -> bool:
    """Tell whether whoever waited for a flight of *kind* gets its *error*, or goes on with a renewal that may log in."""
    if kind is Kind.AHEAD:
        if setup.held_back(error):
            return False
        return account.refreshable or not (isinstance(error, ReauthenticationRequired) and setup.can_log_in)
    return kind is Kind.RENEWAL


def settle(setup: Setup, account: Account, kind: Kind, outcome: Outcome, began: float) -> None:
    """
    Decide what a failed flight means for the calls after it; success has been published already.

    *began* is when it took off, in monotonic seconds.
    """
    error = outcome.error
    if error is None or kind in {Kind.LOGOUT, Kind.TIDY}:
        return
    now = setup.moment()
    pause, known = 0.0, False
    if isinstance(error, ChallengeRequired):
        account.challenge = error
        account.challenge_until = account.end_of(error.challenge, now)
    elif (refusal := account.refused(now)) is not None and (
        isinstance(error, InvalidCredentials) or (is_definite(error) and not account.refreshable)
    ):
        pause, known = refusal.pause, refusal.error is error
    elif kind is not Kind.ANSWER and not (kind is Kind.AHEAD and not account.refreshable and setup.can_log_in):
        attempt = account.attempts + 1
        pause = pause_for(error, attempt, setup.policy.backoff, setup.draw())
        held_back = kind is Kind.AHEAD and setup.held_back(error)
        account.fail(Failure(error, attempt, now.after(pause), held_back=held_back))
    name, seconds = setup.flow.account, now.monotonic - began
    if not known:  # else it was logged when it came
        _log_failure(kind, name, error, seconds, pause, _served(account, now))
    ahead = kind is Kind.AHEAD
    setup.tell(RenewalFailed(account=name, error=error, pause=pause, ahead=ahead, seconds=seconds))


def _served(account: Account, now: Moment) -> str:
    """Say for how long the old token serves those who call meanwhile."""
    if account.alive(now) is None:
        return "no token serves meanwhile"
    end = time_of(account.life.end.wall)
    return f"the old token serves until {clock_time(end, now.wall)}" if end else "the old token serves meanwhile"


def _what_follows(error: VendorAuthError, pause: float) -> str:
    if isinstance(error, ChallengeRequired):
        return "callers get this until it is answered"
    return f"next try in {pause:.3g} s" if pause else "the next call may try"


def _log_failure(kind: Kind, account: str, error: VendorAuthError, seconds: float, pause: float, served: str) -> None:
    passing = kind is Kind.AHEAD or error.temporary or isinstance(error, ChallengeRequired)
    log.log(
        logging.WARNING if passing else logging.ERROR,
        "%s %s failed after %.2f s: %s: %s; %s, %s",
        _DOING.get(kind, "renewing"),
        account,
        seconds,
        type(error).__name__,
        error,
        _what_follows(error, pause),
        served,
        extra=fields(account, error=type(error).__name__, seconds=seconds, pause=pause, ahead=kind is Kind.AHEAD),
    )
