"""Decide what follows from an error: how long it is told to all, and whether the store ends that sooner (rules 9, 9b)."""

from __future__ import annotations

import asyncio
from typing import Final

from vendorauth.engine.account import Account, Failure, is_definite
from vendorauth.engine.pauses import pause_for
from vendorauth.engine.renewal import Renewal
from vendorauth.engine.setup import Setup
from vendorauth.engine.single_flight import Kind, Outcome
from vendorauth.errors import ChallengeRequired, InvalidCredentials
from vendorauth.events import RenewalFailed
from vendorauth.tokens import Token

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


def settle(setup: Setup, account: Account, kind: Kind, outcome: Outcome) -> None:
    """Decide what a failed flight means for the calls after it; success has been published already."""
    error = outcome.error
    if error is None or kind in {Kind.LOGOUT, Kind.TIDY}:
        return
    now = setup.moment()
    pause = 0.0
    if isinstance(error, ChallengeRequired):
        account.challenge = error
        account.challenge_until = account.end_of(error.challenge, now)
    elif (refusal := account.refused(now)) is not None and (
        isinstance(error, InvalidCredentials) or (is_definite(error) and not account.refreshable)
    ):
        pause = refusal.pause
    elif kind is not Kind.ANSWER and not (kind is Kind.AHEAD and not account.refreshable and setup.can_log_in):
        attempt = account.attempts + 1
        pause = pause_for(error, attempt, setup.policy.backoff, setup.draw())
        held_back = kind is Kind.AHEAD and setup.held_back(error)
        account.fail(Failure(error, attempt, now.after(pause), held_back=held_back))
    setup.tell(RenewalFailed(account=setup.flow.account, error=error, pause=pause, ahead=kind is Kind.AHEAD))
