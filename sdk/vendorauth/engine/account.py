"""Hold what one event loop knows of one account's token, shared by all sources of that account."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import Any, Final, final
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import attrs

from vendorauth.engine.freshness import ALWAYS, OVER, Life, Moment
from vendorauth.engine.single_flight import SingleFlight
from vendorauth.errors import ChallengeRequired, InvalidCredentials, VendorAuthError
from vendorauth.stores import TokenStore
from vendorauth.tokens import Credentials, CredentialsSource, Token

UNKNOWN: Final = -1
"""A generation below every other."""

ASK_AGAIN_AFTER: Final = 60.0
"""Seconds before a callable is asked again for credentials while those that it gave are refused."""

_LOOK_EVERY: Final = 1.0
"""Seconds between two readings of the store while an error is latched (rule 9b)."""


@attrs.frozen
class Refusal:
    """
    Remember that *credentials* were refused (``None``: unknown ones), and until when they are not sent again.

    *recorded* is the end that the stored record names, by the clock of whoever wrote it.
    """

    error: InvalidCredentials
    credentials: Credentials | None = attrs.field(repr=False)
    until: Moment
    pause: float
    recorded: float

    def left(self, now: Moment) -> float:
        """Give the seconds until they may be sent again."""
        return max(0.0, min(self.until.wall - now.wall, self.until.monotonic - now.monotonic))

    def again(self, now: Moment) -> InvalidCredentials:
        """Make the error for those who come before it is over."""
        message = f"{self.error}; they are not sent again for {self.left(now):.0f} s"
        return InvalidCredentials(message, self.error.code, self.error.request_id)


@attrs.frozen
class Failure:
    """
    Remember why the last renewal gave no better token, how often in a row, and when (monotonic) the next may be tried.

    *stuck*: it gave a token, which ends no later than the one before; when the API refuses that one, a renewal may help.
    """

    error: VendorAuthError
    attempt: int
    next_try: float
    stuck: bool = False


@final
class Account:
    """
    Be the state of one account's token in one event loop.

    Everything here is changed synchronously; the awaiting is done elsewhere. *quiet* is the moment until which `token`
    is handed out without another thought.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None, store: TokenStore | None) -> None:
        self.loop: Final = loop
        self.store: Final = store
        self.flights: Final = SingleFlight()
        self.looks: Final = SingleFlight()
        self.futile: Final[dict[int, tuple[float, int]]] = {}
        self.token: Token | None = None
        self.life: Life = OVER
        self.quiet: Moment = ALWAYS
        self.unsaved: bool = False
        self.rolled: bool = False
        self.floor: int = UNKNOWN
        self.logged_out: int = UNKNOWN
        self.dead_refresh: int = UNKNOWN
        self.failure: Failure | None = None
        self.refusal: Refusal | None = None
        self.challenge: ChallengeRequired | None = None
        self.challenge_until: Moment = ALWAYS
        self.looked_at: float = float("-inf")
        self.asked: Credentials | None = None
        self.asked_at: float = float("-inf")
        self.person: asyncio.Task[Any] | None = None
        self.person_since: float | None = None
        self.person_seconds: float = 0.0
        self.saver: asyncio.Task[None] | None = None
        self.leaving: int = 0
        self.undeleted: frozenset[int] = frozenset()
        self.sources: Final[WeakSet[object]] = WeakSet()

    def hold(self, token: Token, life: Life, *, unsaved: bool) -> None:
        """Take *token* as the current one; it ends what was latched, but not a refused password's pause."""
        self.token, self.life = token, life
        self.unsaved, self.rolled = unsaved, False
        self.floor = max(self.floor, token.generation)
        self.failure = self.challenge = None
        self.quiet = self.life.ahead if self.refreshable else self.life.stale

    def roll(self, token: Token, life: Life) -> None:
        """Take *token*, the current one with a newer value (rule 17)."""
        self.token, self.life, self.rolled = token, life, True
        self.quiet = ALWAYS

    @contextmanager
    def without_person(self) -> Generator[None, None, None]:
        """Wait for nobody's answer to a challenge, neither to one that is asked now nor to one that comes up."""
        self.leaving += 1
        if self.person is not None:
            self.person.cancel()
        try:
            yield
        finally:
            self.leaving -= 1

    def waited_for_person(self) -> float:
        """Give the seconds that answers to challenges were waited for, all in all."""
        since = self.person_since
        return self.person_seconds + (0.0 if since is None else asyncio.get_running_loop().time() - since)

    def left(self) -> Account:
        """Give an account that belongs to no loop and knows of this one what was logged out."""
        placeholder = Account(None, self.store)
        placeholder.logged_out, placeholder.floor = self.logged_out, self.floor
        return placeholder

    def forget(self) -> None:
        """Hold no token."""
        self.token, self.life, self.quiet = None, OVER, ALWAYS
        self.unsaved = self.rolled = False

    def fail(self, failure: Failure) -> None:
        """Latch *failure* until its next try."""
        self.failure = failure
        self.quiet = ALWAYS

    def calm_down(self, now: Moment) -> None:
        """Let the token serve without a thought until there is something to do for it."""
        stale = self.life.stale
        if not self.refreshable or self.flights.current is not None:
            self.quiet = stale
        elif self.failure is not None and now.monotonic < self.failure.next_try:
            self.quiet = Moment(stale.wall, min(stale.monotonic, self.failure.next_try))
        else:
            self.quiet = self.life.ahead

    @property
    def attempts(self) -> int:
        """How many renewals in a row failed."""
        return self.failure.attempt if self.failure else 0

    @property
    def refreshable(self) -> bool:
        """Whether the token has a refresh token that is not known to be dead."""
        token = self.token
        return token is not None and token.refresh_token is not None and token.generation != self.dead_refresh

    def may_go_ahead(self, now: Moment) -> bool:
        """Tell whether a renewal ahead of expiry is due and may start."""
        waiting = self.failure is not None and now.monotonic < self.failure.next_try
        return self.refreshable and not waiting and self.flights.current is None and self.life.ahead.passed(now)

    def alive(self, now: Moment) -> Token | None:
        """Give the token as long as it really lives."""
        return None if self.life.end.passed(now) else self.token

    def latched(self, now: Moment, *, may_ask: bool = False, refused: bool = False) -> VendorAuthError | None:
        """
        Give the error that callers get at once, without a renewal (rules 9, 9b, 10, 10a).

        *may_ask*: a callable may have other credentials by now. *refused*: the API refused the caller's token.
        """
        failure = self.failure
        if failure is not None and now.monotonic < failure.next_try and not (refused and failure.stuck):
            return failure.error
        if self.refreshable:
            return None
        if self.challenge is not None and not self.challenge_until.passed(now):
            return self.challenge
        refusal = self.refused(now)
        if refusal is None or (may_ask and now.monotonic - self.asked_at >= ASK_AGAIN_AFTER):
            return None
        return refusal.again(now)

    def refused(self, now: Moment) -> Refusal | None:
        """Give what is known of refused credentials while their pause is not over."""
        return None if self.refusal is None or self.refusal.until.passed(now) else self.refusal

    def is_futile(self, rejected: Token, status: int, now: Moment) -> bool:
        """Tell whether a refusal of *rejected* with *status* is known not to be the token's fault (rule 12)."""
        until, generation = self.futile.get(status, (float("-inf"), UNKNOWN))
        return now.monotonic < until and rejected.generation <= generation

    def may_look(self, now: Moment) -> bool:
        """Tell whether the store may be read again while an error is latched, and take this turn."""
        due = now.monotonic - self.looked_at >= _LOOK_EVERY
        if due:
            self.looked_at = now.monotonic
        return due


_Accounts = WeakValueDictionary[Hashable, Account]
_accounts: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Accounts]] = WeakKeyDictionary()


def shared_account(
    loop: asyncio.AbstractEventLoop, store: TokenStore, name: str, credentials: CredentialsSource
) -> Account:
    """Give the state for this account, these credentials, this store object and *loop*: rule 2."""
    of_loop = _accounts.setdefault(loop, WeakValueDictionary())
    key = (id(store), name, _key(credentials))
    account = of_loop.get(key)
    if account is None:
        account = of_loop[key] = Account(loop, store)
    return account


def _key(credentials: Any) -> Hashable:
    """Give what tells credentials apart: a callable may be an object that can't be hashed."""
    try:
        hash(credentials)
    except TypeError:
        return id(credentials)
    return credentials  # type: ignore[no-any-return]  # it is Hashable, as was just seen
