"""
Name what ``on_event`` is told, after the state is settled. None of it holds a secret.

A hook is a plain callable, run by the loop's ``call_soon``: one that raises is logged by the loop and hurts nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from vendorauth.errors import VendorAuthError, own_copy

How: TypeAlias = Literal["login", "refresh", "answer", "store"]
"""By what a token came: ``store`` means that another process had renewed it."""

Operation: TypeAlias = Literal["load", "save", "delete", "lock", "release"]
"""What was asked of a store."""


@attrs.frozen(kw_only=True)
class Renewed:
    """A new token is here; *seconds* is how long that took, *generation* and *expires_at* are the token's."""

    account: str
    how: How
    generation: int
    expires_at: datetime | None
    seconds: float
    ahead: bool = False


@attrs.frozen(kw_only=True)
class RenewalFailed:
    """
    A renewal gave no token; the next try is *pause* seconds away. *ahead*: the old token still serves.

    *seconds* is how long it took to fail.
    """

    account: str
    error: VendorAuthError
    pause: float
    ahead: bool = False
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class LoginRefused:
    """The vendor refused the credentials; they are not sent again for *pause* seconds."""

    account: str
    error: VendorAuthError
    pause: float


@attrs.frozen(kw_only=True)
class ChallengeRaised:
    """The vendor asks something before it gives a token; *name* is its own word."""

    account: str
    name: str


@attrs.frozen(kw_only=True)
class StoreTrouble:
    """The store failed at *operation*; the token serves from memory."""

    account: str
    operation: Operation
    error: VendorAuthError


@attrs.frozen(kw_only=True)
class Replayed:
    """The API refused a token with *status*, and the request was sent again with a newer one."""

    account: str
    method: str
    path: str
    status: int


@attrs.frozen(kw_only=True)
class LoggedOut:
    """The tokens are forgotten; *revoked* tells whether the vendor was told as well, *error* why not."""

    account: str
    revoked: bool
    error: VendorAuthError | None = None


TokenEvent: TypeAlias = Renewed | RenewalFailed | LoginRefused | ChallengeRaised | StoreTrouble | Replayed | LoggedOut
"""What ``on_event`` is told."""


def detached(event: TokenEvent) -> TokenEvent:
    """Give *event* with an error of its own: the traceback of the original grows while the renewal ends."""
    match event:
        case RenewalFailed(error=error) | LoginRefused(error=error) | StoreTrouble(error=error):
            return attrs.evolve(event, error=own_copy(error))
        case LoggedOut(error=VendorAuthError() as error):
            return attrs.evolve(event, error=own_copy(error))
        case _:
            return event
