"""Ask a secret manager for credentials, and a person for what a challenge wants, outside every lock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from vendorauth._logging import fields
from vendorauth.engine.account import ASK_AGAIN_AFTER, Account
from vendorauth.engine.foreign import Foreign
from vendorauth.engine.setup import Setup
from vendorauth.errors import (
    AuthServiceUnavailable,
    ChallengeRequired,
    ConfigurationError,
    RequestTimeout,
    VendorAuthError,
)
from vendorauth.events import ChallengeRaised
from vendorauth.tokens import Challenge, Credentials, PasswordCredentials, RefreshTokenCredentials

log: Final = logging.getLogger(__name__)


async def ask_for_credentials(setup: Setup, account: Account, *, by_hand: bool = False) -> Credentials:
    """
    Ask the credentials callable, for at most the deadline.

    Raises:
        InvalidCredentials: What it gave was refused, and it was asked less than a minute ago.
        RequestTimeout: It took too long.
        AuthServiceUnavailable: It raised; chained.
        ConfigurationError: It gave something else.
    """
    now = setup.moment()
    refused = account.refused(now)
    if refused is not None and not by_hand and now.monotonic - account.asked_at < ASK_AGAIN_AFTER:
        raise refused.again(now)
    account.asked_at = now.monotonic
    given: object = await _ask(setup, account)
    if not isinstance(given, PasswordCredentials | RefreshTokenCredentials):
        message = f"the credentials callable returned {type(given).__name__}, not credentials"
        raise ConfigurationError(message)
    account.asked = given
    return given


async def _ask(setup: Setup, account: Account) -> object:
    ask = setup.credentials
    assert callable(ask)
    deadline = setup.policy.deadline
    try:
        reply = await Foreign(account).run(ask, deadline)
    except TimeoutError:
        reply = None
    if reply is None:
        message = f"the credentials callable gave no answer within {deadline:g} s"
        raise RequestTimeout(message, False)
    if isinstance(reply.error, VendorAuthError):
        raise reply.error
    if not reply.returned:
        message = (
            f"the credentials callable failed: {type(reply.error).__name__ if reply.error else 'it was cancelled'}"
        )
        raise AuthServiceUnavailable(message) from reply.error
    return reply.value


async def ask_person(setup: Setup, account: Account, challenge: Challenge) -> Mapping[str, str]:
    """
    Ask ``on_challenge`` for answers, until the challenge expires.

    Raises:
        ChallengeRequired: There is no one to ask, or no answer came; what ``on_challenge`` raised is chained.
    """
    name, ask = setup.flow.account, setup.on_challenge
    whom = "nobody is there to be asked" if ask is None else "on_challenge is asked"
    log.info(
        "the vendor wants %s from %s; %s", challenge.name, name, whom, extra=fields(name, challenge=challenge.name)
    )
    setup.tell(ChallengeRaised(account=name, name=challenge.name))
    if ask is None or account.leaving:
        raise ChallengeRequired(challenge)
    loop = asyncio.get_running_loop()
    began = account.person_since = loop.time()
    try:
        left = _seconds_left(setup, account, challenge)
        reply = await Foreign(account).run(lambda: ask(challenge), left, person=True)
    except TimeoutError:
        reply = None
    finally:
        account.person_since = None
        account.person_seconds += loop.time() - began
    if reply is not None and isinstance(reply.error, ConfigurationError):
        raise reply.error
    if reply is None or not reply.returned:
        raise ChallengeRequired(challenge) from (reply.error if reply else None)
    return reply.value


def _seconds_left(setup: Setup, account: Account, challenge: Challenge) -> float | None:
    now = setup.moment()
    return None if challenge.expires_at is None else account.end_of(challenge, now).left(now)
