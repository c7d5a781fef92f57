"""Hold what one event loop knows of one account's token, shared by all sources of that account."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from math import inf
from typing import Any, Final, TypeAlias, final
from weakref import WeakKeyDictionary, WeakValueDictionary

import attrs

from vendorauth.engine.freshness import ALWAYS, OVER, Life, Moment
from vendorauth.engine.single_flight import SingleFlight
from vendorauth.engine.trial import Trial
from vendorauth.errors import (
    AuthError,
    ChallengeRequired,
    InvalidCredentials,
    ReauthenticationRequired,
    VendorAuthError,
)
from vendorauth.stores import TokenStore
from vendorauth.tokens import Challenge, Credentials, CredentialsSource, Token

_NONE: Final[frozenset[int]] = frozenset()
_LONG_AGO: Final = -inf

UNKNOWN: Final = -1
"""A generation below every other."""

ASK_AGAIN_AFTER: Final = 60.0
"""Seconds before a callable is asked again for credentials while those that it gave are refused."""

MOST_RENEWALS: Final = 30
"""Renewals for refused tokens within one `futile_pause`: an API that refuses and accepts by turns costs no more."""

_UNAUTHORIZED: Final = 401

_LOOK_EVERY: Final = 1.0
"""Seconds between two readings of the store while an error is latched (rule 9b)."""


@attrs.frozen
class Refusal:
    """
    Remember that *credentials* were refused (``None``: unknown ones), and until when they are not sent again.

    *recorded* is the end that the stored record names, by the clock of whoever wrote it.
    """

    error: AuthError
    credentials: Credentials | None = attrs.field(repr=False)
    until: Moment
    pause: float
    recorded: float

    def left(self, now: Moment) -> float:
        """Give the seconds until they may be sent again."""
        return self.until.left(now)

    def again(self, now: Moment) -> AuthError:
        """Make the error for those who come before it is over."""
        message = f"{self.error}; they are not sent again for {self.left(now):.0f} s"
        kind = InvalidCredentials if isinstance(self.error, InvalidCredentials) else AuthError
        return kind(message, self.error.code, self.error.request_id)


@attrs.frozen
class Failure:
    """
    Remember why the last renewal gave no better token, how often in a row, and when the next may be tried.

    *stuck*: it gave a token, which ends no later than the one before; when the API refuses that one, a renewal may help.
    *held_back*: it was ahead of expiry, and only a password would have helped; whoever waits for a token may send that.
    """

    error: VendorAuthError
    attempt: int
    next_try: Moment
    stuck: bool = False
    held_back: bool = False


Serving: TypeAlias = tuple[float, float, asyncio.AbstractEventLoop | None, Token | None]


@final
class Account:
    """
    Be the state of one account's token in one event loop.

    Everything here is changed synchronously; the awaiting is done elsewhere. *serving* is for how long `token` is
    handed out without another thought: until when by the wall clock, by the monotonic one, in which loop, and the token
    itself; one tuple, because that is quickly read. *trial*: the token consists of credentials that nobody has seen to work;
    *doubted*: it does, and the API has refused it. *users*: how many sources are attached to it.
    """

    __slots__ = (
        "__weakref__",
        "adopted",
        "asked",
        "asked_at",
        "asked_for",
        "challenge",
        "challenge_until",
        "dead_refresh",
        "doubted",
        "failure",
        "flights",
        "floor",
        "futile",
        "leaving",
        "life",
        "logged_out",
        "logs_in_ahead",
        "looked_at",
        "looks",
        "loop",
        "person",
        "person_seconds",
        "person_since",
        "process",
        "refusal",
        "renewals",
        "rolled",
        "saver",
        "serving",
        "store",
        "token",
        "trial",
        "undeleted",
        "unsaved",
        "users",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop | None, store: TokenStore | None) -> None:
        self.loop: Final = loop
        self.process: Final = os.getpid()
        self.store: Final = store
        self.flights: Final = SingleFlight()
        self.looks: Final = SingleFlight()
        self.futile: dict[int, tuple[Moment, int]] | None = None
        self.renewals: deque[float] | None = None
        self.token: Token | None = None
        self.life: Life = OVER
        self.serving: Serving = (ALWAYS.wall, ALWAYS.monotonic, None, None)
        self.trial: Trial | None = None
        self.doubted: bool = False
        self.unsaved: bool = False
        self.rolled: bool = False
        self.floor: int = UNKNOWN
        self.adopted: int = UNKNOWN
        self.logged_out: int = UNKNOWN
        self.logs_in_ahead: bool = False
        self.dead_refresh: int = UNKNOWN
        self.failure: Failure | None = None
        self.refusal: Refusal | None = None
        self.challenge: ChallengeRequired | None = None
        self.challenge_until: Moment = ALWAYS
        self.asked_for: tuple[Challenge, Moment] | None = None
        self.looked_at: float = _LONG_AGO
        self.asked: Credentials | None = None
        self.asked_at: float = _LONG_AGO
        self.person: asyncio.Task[Any] | None = None
        self.person_since: float | None = None
        self.person_seconds: float = 0.0
        self.saver: asyncio.Task[None] | None = None
        self.leaving: int = 0
        self.undeleted: frozenset[int] = _NONE
        self.users: int = 0

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        """
        Tell whether this is the state for *loop*, in this process.

        What a child inherits at a fork is left as it is, for good: its tasks, and the locks that they hold, are the
        parent's.

        Raises:
            RuntimeError: It is another loop's, which still lives.
        """
        if self.loop is None:
            return False
        if self.process != os.getpid():
            _inherited.append(self)
            return False
        if self.loop is loop or self.loop.is_closed():
            return self.loop is loop
        message = "this token source belongs to another event loop, which still lives: make one for each loop"
        raise RuntimeError(message)

    def note_futile(self, status: int, until: Moment, generation: int) -> None:
        """Take renewals after refusals with *status* for futile *until* then, for tokens up to *generation* (rule 12)."""
        self.futile = {**(self.futile or {}), status: (until, generation)}

    def note_renewal(self, now: float) -> None:
        """Count one renewal for a refused token."""
        self.renewals = self.renewals or deque(maxlen=MOST_RENEWALS)
        self.renewals.append(now)

    def hold(self, token: Token, life: Life, *, unsaved: bool) -> None:
        """Take *token* as the current one; it ends what was latched, but not a refused password's pause."""
        self.token, self.life = token, life
        self.unsaved, self.rolled = unsaved, False
        self.floor = max(self.floor, token.generation)
        self.failure = self.challenge = self.asked_for = None
        self._begin_trial(None if token.value else Trial())

    def _begin_trial(self, trial: Trial | None) -> None:
        if self.trial is not None:
            self.trial.over = True
        self.trial, self.doubted = trial, False
        self._serve_until(ALWAYS if trial is not None else self.life.ahead if self.refreshable else self.life.stale)

    def _serve_until(self, moment: Moment) -> None:
        self.serving = (moment.wall, moment.monotonic, self.loop, self.token)

    def prove(self, token: Token) -> None:
        """Note that the vendor has accepted *token*, which consists of the credentials themselves."""
        if self.trial is not None and self.token is not None and self.token.generation == token.generation:
            self._begin_trial(None)

    def doubt(self, refused: Token, status: int) -> None:
        """Hand such a token out no more after it was *refused*, before the vendor has said that it is good (rule 10)."""
        token = self.token
        if token is not None and not token.value and token.generation == refused.generation:
            self.doubted = self.doubted or self.trial is not None or status == _UNAUTHORIZED
            self._serve_until(ALWAYS)

    def roll(self, token: Token, life: Life) -> None:
        """Take *token*, the current one with a newer value (rule 17)."""
        self.token, self.life, self.rolled = token, life, True
        self._serve_until(ALWAYS)

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
        self.token, self.life = None, OVER
        self._begin_trial(None)
        self.unsaved = self.rolled = False

    def fail(self, failure: Failure) -> None:
        """Latch *failure* until its next try."""
        self.failure = failure
        self._serve_until(ALWAYS)

    def calm_down(self, now: Moment) -> None:
        """Let the token serve without a thought until there is something to do for it."""
        stale = self.life.stale
        if self.trial is not None:
            self._serve_until(ALWAYS)
        elif not self.refreshable or self.flights.current is not None:
            self._serve_until(stale)
        elif self.failure is not None and not self.failure.next_try.passed(now):
            self._serve_until(stale.or_earlier(self.failure.next_try))
        else:
            self._serve_until(self.life.ahead)

    @property
    def attempts(self) -> int:
        """How many renewals in a row failed."""
        return 0 if (failure := self.failure) is None else failure.attempt  # a thread may ask: see `status_of`

    @property
    def refreshable(self) -> bool:
        """Whether the token can be renewed ahead: by a refresh token not known to be dead, or a login that may be sent."""
        token = self.token
        if token is None:
            return False
        by_login = self.logs_in_ahead and self.refusal is None and self.challenge is None
        return by_login or (token.refresh_token is not None and token.generation != self.dead_refresh)

    def may_go_ahead(self, now: Moment) -> bool:
        """Tell whether a renewal ahead of expiry is due and may start."""
        waiting = self.failure is not None and not self.failure.next_try.passed(now)
        return self.refreshable and not waiting and self.flights.current is None and self.life.ahead.passed(now)

    def end_of(self, challenge: Challenge, now: Moment) -> Moment:
        """Tell until when *challenge* can be answered, as it was seen when it came."""
        known = self.asked_for
        return known[1] if known is not None and known[0] is challenge else now.when(challenge.expires_at)

    def alive(self, now: Moment) -> Token | None:
        """Give the token as long as it really lives."""
        return None if self.life.end.passed(now) else self.token

    def latched(self, now: Moment, *, may_ask: bool = False, refused: bool = False) -> VendorAuthError | None:
        """
        Give the error that callers get at once, without a renewal (rules 9, 9b, 10, 10a).

        *may_ask*: a callable may have other credentials by now. *refused*: the API refused the caller's token.
        """
        failure = self.failure
        may_try = failure is None or failure.held_back or failure.next_try.passed(now) or (refused and failure.stuck)
        if failure is not None and not may_try:
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
        refusal = self.refusal
        return None if refusal is None or refusal.until.passed(now) else refusal

    def refuse_logged_out(self, token: Token) -> None:
        """Raise `ReauthenticationRequired` where *token* was logged out here."""
        current = self.token is not None and self.token.generation == token.generation
        if token.generation <= self.logged_out and not current:
            message = "the token of this call was logged out meanwhile"
            raise ReauthenticationRequired(message)

    def pardon(self) -> Refusal | None:
        """Forget that credentials were refused, and give what was known: with it gone, a login ahead may be due."""
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            self._serve_until(ALWAYS)
        return refusal

    def is_futile(self, rejected: Token, status: int, now: Moment) -> bool:
        """Tell whether a refusal of *rejected* with *status* is known not to be the token's fault (rule 12)."""
        until, generation = (self.futile or {}).get(status, (ALWAYS, UNKNOWN))
        return not until.passed(now) and rejected.generation <= generation

    def stays_futile(self, renewed: Token) -> None:
        """Let what is futile hold for *renewed*, too: else refusals with two statuses undo each other's pauses."""
        for status, (until, generation) in (self.futile or {}).items():
            self.note_futile(status, until, max(generation, renewed.generation))

    def renews_too_often(self, now: Moment, pause: float) -> bool:
        """Tell whether refused tokens have brought `MOST_RENEWALS` within *pause*, so that none more is started now."""
        latest = self.renewals
        often = latest is not None and len(latest) == MOST_RENEWALS and now.monotonic < latest[0] + pause
        return often and self.flights.current is None

    def may_look(self, now: Moment) -> bool:
        """Tell whether the store may be read again while an error is latched, and take this turn."""
        due = now.monotonic - self.looked_at >= _LOOK_EVERY
        if due:
            self.looked_at = now.monotonic
        return due


NOBODY: Final = Account(None, None)
"""What a token source begins with, which never changes."""

_inherited: Final[list[Account]] = []
_Accounts = WeakValueDictionary[Hashable, Account]
_accounts: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Accounts]] = WeakKeyDictionary()


def shared_account(
    loop: asyncio.AbstractEventLoop, store: TokenStore, name: str, credentials: CredentialsSource
) -> Account:
    """Give the state for this account, these credentials, this store object and *loop*: rule 2."""
    of_loop = _accounts.setdefault(loop, WeakValueDictionary())
    key = (id(store), name, _key(credentials))
    account = of_loop.get(key)
    if account is None or account.process != os.getpid():
        account = of_loop[key] = Account(loop, store)
    return account


def _key(credentials: Any) -> Hashable:
    """Give what tells credentials apart: a callable may be an object that can't be hashed."""
    try:
        hash(credentials)
    except TypeError:
        return id(credentials)
    return credentials  # type: ignore[no-any-return]  # it is Hashable, as was just seen
