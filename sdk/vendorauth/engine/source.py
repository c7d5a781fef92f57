"""Keep one account's token fresh: memory, then store, then refresh, then login."""

from __future__ import annotations

import asyncio
import time
from asyncio import get_running_loop
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Final, NoReturn, Self, final

from vendorauth._tracebacks import discreet, discreetly_awaited
from vendorauth.engine.account import NOBODY, Account, shared_account
from vendorauth.engine.arguments import check_arguments
from vendorauth.engine.clock import Clock, SystemClock
from vendorauth.engine.exchange import Send
from vendorauth.engine.foreign import is_inside, refuse_from_inside
from vendorauth.engine.keeping import keep_saving, last_save
from vendorauth.engine.logout import log_out
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.engine.renewal import Renewal
from vendorauth.engine.settling import is_final, look, settle
from vendorauth.engine.setup import OnChallenge, OnEvent, Setup, Turns
from vendorauth.engine.single_flight import Flight, Kind, Work
from vendorauth.engine.status import SourceStatus, status_of
from vendorauth.engine.trial import Trial
from vendorauth.engine.vault import Vault
from vendorauth.engine.watching import Watcher
from vendorauth.errors import ConfigurationError, ReauthenticationRequired, StoreError, VendorAuthError, own_copy
from vendorauth.events import TokenEvent, detached
from vendorauth.flows import BaseLoginFlow, LoginFlow
from vendorauth.messages import Response
from vendorauth.stores import TokenStore
from vendorauth.tokens import Challenge, CredentialsSource, Token

_SYSTEM: Final[tuple[Callable[[], float], Callable[[], float]]] = (time.time, time.monotonic)

_POLICY: Final = RefreshPolicy()
_CLOCK: Final = SystemClock()


@final
@discreet
class TokenSource:
    """
    Keep one account's token fresh for one event loop.

    Sources of the same account, credentials and store object share their renewals. Cancelling any call here cancels
    nothing but the waiting; what a vendor has answered is saved all the same.

    At start-up, check the login with ``await source.token()``, never with `login`, which asks the vendor every time:
    a service that crashes and restarts would lock its account.
    """

    __slots__ = (
        "__weakref__",
        "_account",
        "_clocks",
        "_closed",
        "_on_event",
        "_person_before",
        "_rolls",
        "_setup",
        "_uses",
    )

    def __init__(  # noqa: PLR0913  fixed by the design
        self,
        flow: LoginFlow,
        credentials: CredentialsSource = None,
        *,
        store: TokenStore,
        send: Send,
        policy: RefreshPolicy | None = None,
        on_event: OnEvent | None = None,
        on_challenge: OnChallenge | None = None,
        strict_store: bool = False,
        clock: Clock | None = None,
    ) -> None:
        check_arguments(credentials, store, policy, on_event)
        self._on_event = on_event
        tell = self.report
        self._setup: Final = Setup(
            flow=flow,
            credentials=credentials,
            vault=Vault(store, flow.account, tell),
            send=send,
            policy=_POLICY if policy is None else policy,
            clock=_CLOCK if clock is None else clock,
            tell=tell,
            on_challenge=on_challenge,
            strict_store=strict_store,
        )
        self._clocks = _SYSTEM if clock is None else (lambda: clock.now().timestamp(), clock.monotonic)
        self._rolls = getattr(type(flow), "absorb", None) is not BaseLoginFlow.absorb
        self._account = NOBODY
        self._person_before = 0.0
        self._closed = self._uses = False

    def __repr__(self) -> str:
        return f"<TokenSource of {self.flow.account}: {self.status().state}>"

    def __del__(self) -> None:
        if getattr(self, "_uses", False):
            self._leave()

    def __reduce__(self) -> NoReturn:
        message = "a TokenSource can't be pickled or copied: it belongs to one process and event loop; make one there"
        raise TypeError(message)

    async def __aenter__(self) -> Self:
        """Open it, again where it was closed."""
        self._closed = False
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def flow(self) -> LoginFlow:
        """How this source logs in."""
        return self._setup.flow

    def pace(self, turns: Turns) -> None:
        """Let logins and renewals wait for their *turns* from now on."""
        self._setup.turns = turns

    def watch(self, watcher: Watcher) -> None:
        """Let *watcher* see flights, exchanges and events from now on; it takes an earlier one's place."""
        self._setup.watcher = watcher

    async def token(self) -> Token:
        """
        Give a token that serves: at once while it is fresh, after one shared renewal when it is not.

        Raises:
            InvalidCredentials: The vendor refused the credentials.
            ChallengeRequired: The vendor asks something first.
            ReauthenticationRequired: There is no usable token and no password.
            AuthServiceUnavailable: The vendor can't serve now.
            TransportError: The vendor could not be reached, or not within the deadline.
            ProtocolError: The vendor's answer can't be read.
            StoreLockTimeout: Somebody else held the store's lock for too long.
            RuntimeError: The source is closed, or belongs to another running event loop.
        """
        # As in `fresh`: calling that would cost as much again.
        wall, monotonic = self._clocks
        by_wall, by_monotonic, loop, token = self._account.serving
        if wall() < by_wall and monotonic() < by_monotonic and get_running_loop() is loop and token is not None:
            return token
        return await self._token()

    def fresh(self) -> Token | None:
        """Give the token if nothing has to be done for it, else ``None``; no I/O, no task, no lock: rule 1."""
        wall, monotonic = self._clocks
        by_wall, by_monotonic, loop, token = self._account.serving
        if wall() < by_wall and monotonic() < by_monotonic and get_running_loop() is loop:
            return token
        return None

    async def _token(self) -> Token:
        account = self._here()
        token, now = account.token, self._setup.moment()
        if token is None or account.doubted or account.life.stale.passed(now):
            return await self._obtain(account, token, refused=account.doubted)
        if account.may_go_ahead(now):
            self._start(account, Kind.AHEAD, Renewal(self._setup, account, replaces=token, ahead=True).renew)
        account.calm_down(now)
        return token

    async def renew(self, rejected: Token, *, status: int = 401) -> Token:
        """
        Give a newer token after the API refused *rejected* with *status*.

        The same token back means that renewing is known to be futile now (rule 12): raise what the API said.

        Raises:
            ReauthenticationRequired: Somebody logged out meanwhile; or as in `token`, which has the other errors.
        """
        account = self._here()
        account.refuse_logged_out(rejected)
        current, now = account.token, self._setup.moment()
        newer = current if current is not None and current.is_newer_than(rejected) else None
        if newer is not None and account.alive(now) is not None and not account.doubted:
            return newer
        if account.is_futile(rejected, status, now) or account.renews_too_often(now, self._setup.policy.futile_pause):
            return rejected
        account.doubt(rejected, status)
        token = await self._obtain(account, newer or rejected, refused=True)
        account.stays_futile(token)
        return token

    @property
    def trial(self) -> Trial | None:
        """What the next request has to wait for while the token consists of credentials that were never accepted."""
        return self._account.trial

    def accepted(self, token: Token) -> None:
        """Note that the API has accepted *token*: it is on trial no more."""
        self._account.prove(token)

    @property
    def waits_for_this(self) -> bool:
        """Whether this runs inside what the source waits for, such as its ``send``: then it has no token to give."""
        return is_inside(self._account)

    def is_adopted(self, token: Token) -> bool:
        """Tell whether *token* came from the store, as a sibling had left it: when it is refused, a renewal may help."""
        return token.generation == self._account.adopted

    def replay_refused(self, token: Token, status: int) -> None:
        """Note that a renewed *token* was refused with *status* too: for a while, renewing is futile (rule 12)."""
        now = self._setup.moment()
        if token.expires_at is None or now.wall < token.expires_at.timestamp():  # else it may have ended on its way
            self._account.note_futile(status, now.after(self._setup.policy.futile_pause), token.generation)

    async def login(self) -> Token:
        """
        Log in now, whatever is stored, and even where the password was refused before.

        For a person who has just typed a password. Calls that wait together share one login. Raises what `token` does.
        """
        account = self._here()
        if self._setup.credentials is None:
            message = f"{self.flow.account}: there are no credentials to log in with"
            raise ReauthenticationRequired(message)
        while (flight := account.flights.current) and flight.kind is not Kind.LOGIN:
            await flight.outcome()
        if flight is None:
            account.challenge = None
            flight = self._start(account, Kind.LOGIN, Renewal(self._setup, account).login)
        return (await flight.outcome()).result()

    @discreetly_awaited
    async def answer(self, challenge: Challenge, answers: Mapping[str, str]) -> Token:
        """
        Answer *challenge* with *answers* by its fields.

        Raises:
            ConfigurationError: It is another account's, or a field is missing.
            ChallengeRequired: The vendor asks something else next.
            InvalidCredentials: The answer was wrong.
        """
        account = self._here()
        if challenge.account != self.flow.account:
            message = "this challenge belongs to another account"
            raise ConfigurationError(message)
        await self._idle(account)
        flight = self._start(account, Kind.ANSWER, lambda: Renewal(self._setup, account).answer(challenge, answers))
        return (await flight.outcome()).result()

    async def logout(self) -> None:
        """
        Revoke the tokens where the vendor can, and forget them; the credentials stay, so the next call logs in.

        Raises:
            StoreError: Only with ``strict_store``: the stored token could not be deleted.
        """
        account = self._here()
        with account.without_person():
            await self._idle(account)
        outcome = await self._start(account, Kind.LOGOUT, lambda: log_out(self._setup, account)).outcome()
        if outcome.error is not None:
            raise own_copy(outcome.error)

    def absorb(self, token: Token, response: Response) -> None:
        """Take over what a *response* to a request with *token* changed: a cookie that rolls (rule 17)."""
        account = self._account
        current = account.token
        if not self._rolls or current is None or current.generation != token.generation:
            return
        rolled = self.flow.absorb(current, response, now=self._setup.clock.now())
        if rolled is not current and account.belongs_to(asyncio.get_running_loop()):
            account.roll(rolled, self._setup.life(rolled))

    def peek(self) -> Token | None:
        """Give what is held in memory, without any I/O."""
        return self._account.token

    def status(self) -> SourceStatus:
        """Tell how it is doing, without any I/O and without a secret."""
        return status_of(self.flow.account, self._account, self._setup.moment())

    def report(self, event: TokenEvent) -> None:
        """Tell *event* to ``on_event``, once the loop comes round: a hook that raises hurts nothing."""
        watcher = self._setup.watcher
        for hook in (self._on_event, None if watcher is None else watcher.event):
            if hook is not None:
                asyncio.get_running_loop().call_soon(hook, detached(event))

    @property
    def person_seconds(self) -> float:
        """How long ``on_challenge`` was waited for since this source is in use: no timeout counts that."""
        return self._account.waited_for_person() - self._person_before

    async def person_gone(self) -> None:
        """Wait until ``on_challenge`` is not being waited for."""
        if self._account.person is not None:
            await asyncio.wait({self._account.person})

    async def aclose(self) -> None:
        """
        End the use in this event loop: let a renewal under way save what it gets, and save what is unsaved.

        Calls afterwards raise `RuntimeError`, until it is entered again. Cancelling it loses nothing; call it again.
        """
        if self._account.loop is None:
            self._closed = True
            return
        account = self._attached()
        refuse_from_inside(account)
        self._closed = True
        self._leave()
        with nullcontext() if account.users else account.without_person():
            await self._idle(account)
        if account.unsaved or account.rolled or not account.users:
            await self._start(account, Kind.TIDY, lambda: last_save(self._setup, account)).outcome()
        self._account, self._person_before = account.left(), 0.0

    def _leave(self) -> None:
        if self._uses:
            self._uses = False
            self._account.users -= 1

    def _refuse_closed(self) -> None:
        if self._closed:
            message = "this client, or token source, is closed; enter it again with `async with`"
            raise RuntimeError(message)

    def _here(self) -> Account:
        self._refuse_closed()
        account = self._attached()
        refuse_from_inside(account)
        return account

    def _attached(self) -> Account:
        """Give the account in the running event loop."""
        loop, old = asyncio.get_running_loop(), self._account
        if old.belongs_to(loop):
            return old
        account = shared_account(loop, self._setup.vault.store, self.flow.account, self._setup.credentials)
        account.users += 1
        account.logs_in_ahead = self._setup.logs_in_ahead
        self._uses = True
        account.logged_out = max(account.logged_out, old.logged_out)
        account.floor = max(account.floor, old.floor)
        if old.token is not None and old.unsaved and account.token is None:
            account.hold(old.token, old.life, unsaved=True)
            keep_saving(self._setup, account)
        self._account = account
        self._person_before = account.waited_for_person()
        return account

    async def _idle(self, account: Account) -> None:
        while (flight := account.flights.current or account.looks.current) is not None:
            await flight.outcome()

    def _start(self, account: Account, kind: Kind, work: Callable[[], Work]) -> Flight:
        if kind is not Kind.TIDY:
            self._refuse_closed()
        setup, began = self._setup, self._setup.clock.monotonic()
        flight = work() if setup.watcher is None else setup.watcher.flight(self.flow.account, kind, work)
        return account.flights.start(kind, flight, lambda outcome: settle(setup, account, kind, outcome, began))

    async def _obtain(self, account: Account, replaced: Token | None, *, refused: bool) -> Token:
        """Wait for a token newer than *replaced*, starting what is needed; *refused*: the API refused that one."""
        while True:
            current = account.token
            if current is not None and (replaced is None or current.is_newer_than(replaced)):
                return current
            if refused and replaced is not None:
                account.refuse_logged_out(replaced)
            flight = account.flights.current
            if flight is None:
                may_ask = callable(self._setup.credentials)
                error = account.latched(self._setup.moment(), may_ask=may_ask, refused=refused)
                if error is not None:
                    if self._living(account, error, refused=refused) is None and await look(
                        self._setup, account, replaced
                    ):
                        continue
                    return self._last_resort(account, error, refused=refused)
                if refused:
                    account.note_renewal(self._setup.clock.monotonic())
                flight = self._start(account, Kind.RENEWAL, Renewal(self._setup, account, replaces=replaced).renew)
            outcome = await flight.outcome()
            if outcome.error is not None and is_final(self._setup, account, flight.kind, outcome.error):
                return self._last_resort(account, outcome.error, refused=refused)

    def _last_resort(self, account: Account, error: VendorAuthError, *, refused: bool) -> Token:
        living = self._living(account, error, refused=refused)
        if living is None:
            raise own_copy(error)
        return living

    def _living(self, account: Account, error: VendorAuthError, *, refused: bool) -> Token | None:
        """Give the token that still lives, unless it is no good or the store's trouble is to be heard of."""
        strict = self._setup.strict_store and isinstance(error, StoreError)
        return None if refused or strict else account.alive(self._setup.moment())
