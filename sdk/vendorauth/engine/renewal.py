"""Get a new token: from the store, by refresh, or by login, in this order, and save it before it is used (rule 5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar, final

from vendorauth.engine.account import Account
from vendorauth.engine.asking import ask_for_credentials, ask_person
from vendorauth.engine.exchange import Exchange
from vendorauth.engine.foreign import sending_for
from vendorauth.engine.freshness import Moment
from vendorauth.engine.keeping import Keeper
from vendorauth.engine.refusals import Refusals, is_definite
from vendorauth.engine.setup import Setup
from vendorauth.errors import (
    AuthError,
    ChallengeRequired,
    InvalidCredentials,
    ReauthenticationRequired,
    StoreError,
    StoreLockTimeout,
    StoreUnreadable,
)
from vendorauth.events import How
from vendorauth.messages import Flow
from vendorauth.tokens import Challenge, Credentials, RefreshTokenCredentials, Token

T = TypeVar("T")

Result: TypeAlias = Token | Challenge | None
"""What holding the lock once gave; ``None``: a login is due, and a callable has to be asked for credentials first."""


@final
class Renewal:
    """
    Be one renewal, login or answer of *account*.

    *replaces* is the token that is no good any more (``None``: there was none); *ahead*: it still serves, so that no
    password is sent, unless the flow `logs_in_ahead`.
    """

    def __init__(self, setup: Setup, account: Account, *, replaces: Token | None = None, ahead: bool = False) -> None:
        self._setup = setup
        self._account = account
        self._replaces = replaces
        self._ahead = ahead
        self._keeper = Keeper(setup, account, replaces, ahead=ahead)
        self._refusals = Refusals(setup, account)
        self._credentials = None if callable(setup.credentials) else setup.credentials
        self._stored: Token | None = None
        self._store_error: StoreError | None = None
        self._locked = False
        self._refused: ReauthenticationRequired | None = None
        self._dead: set[str] = set()
        self._exchange = self._new_exchange()

    def _new_exchange(self) -> Exchange:
        return Exchange(sending_for(self._account, self._setup.send), self._setup.policy.deadline)

    async def renew(self) -> Token:
        """Do all of rule 5."""
        if self._account.token is None and (token := await self.glance()):
            return token
        result = await self._hold(self._renew)
        if result is None and callable(self._setup.credentials):
            self._credentials = await ask_for_credentials(self._setup, self._account)
            result = await self._hold(self._renew)
        return await self._finish(result)

    async def glance(self) -> Token | None:
        """Read the store without a lock, and take over what has more life than the leeway."""
        await self._load()
        usable = self._stored is not None and self._is_news(self._stored) and self._setup.has_life(self._stored)
        return self._adopt() if usable else None

    async def login(self) -> Token:
        """Go straight to a login, whatever is stored or was refused before."""
        if callable(self._setup.credentials):
            self._credentials = await ask_for_credentials(self._setup, self._account, by_hand=True)
        return await self._finish(await self._hold(self._login_now))

    async def answer(self, challenge: Challenge, answers: Mapping[str, str]) -> Token:
        """Answer *challenge*; raises `ChallengeRequired` when the vendor then asks something else."""
        result = await self._hold(partial(self._answer_now, challenge, answers))
        if isinstance(result, Challenge):
            raise ChallengeRequired(result)
        return self._there(result)

    async def _finish(self, result: Result) -> Token:
        while isinstance(result, Challenge):
            answers = await ask_person(self._setup, self._account, result)
            result = await self._hold(partial(self._answer_now, result, answers))
        return self._there(result)

    def _there(self, result: Token | None) -> Token:
        if result is None:
            raise self._no_way()
        return result

    async def _hold(self, step: Callable[[], Awaitable[Result]]) -> Result:
        async with self._turn(), self._lock():
            self._exchange = self._new_exchange()
            await self._load()
            return await step()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        """Wait for a turn before the lock is taken and the deadline begins; one that was not needed is somebody else's."""
        turns = self._setup.turns
        if turns is None:
            yield
            return
        await turns.take()
        before = self._exchange
        try:
            yield
        finally:
            if self._exchange is before or not self._exchange.begun:
                turns.give_back()

    @asynccontextmanager
    async def _lock(self) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            self._locked = False
            if self._keeper.reachable:
                try:
                    await stack.enter_async_context(self._setup.vault.locked())
                    self._locked = True
                except StoreLockTimeout:
                    raise
                except StoreError as error:
                    self._trouble(error)
            yield

    async def _load(self) -> None:
        self._stored = None
        if not self._keeper.reachable:
            return
        try:
            stored = await self._setup.vault.load()
        except StoreError as error:
            self._trouble(error)
            return
        self._stored = stored if stored is None or stored.generation not in self._account.undeleted else None
        self._keeper.floor = max(self._keeper.floor, stored.generation if stored else -1)

    def _trouble(self, error: StoreError) -> None:
        """Go on without the store, for the rest of this renewal unless it only can't be read: rule 16."""
        if self._setup.strict_store:
            raise error
        self._store_error = error
        self._keeper.reachable = isinstance(error, StoreUnreadable)

    def _begin(self) -> datetime:
        """Give the time at which an exchange begins, and note it on both clocks: its outcome counts from there."""
        now = self._setup.clock.now()
        self._keeper.since = Moment(now.timestamp(), self._setup.clock.monotonic())
        return now

    def _is_news(self, stored: Token) -> bool:
        return self._replaces is None or stored.generation > self._replaces.generation

    def _adopt(self) -> Token:
        return self._keeper.adopt(self._there(self._stored))

    async def _renew(self) -> Result:
        stored = self._stored
        if stored is not None and self._is_news(stored) and self._setup.has_life(stored, ahead=True):
            return self._adopt()
        if stored is None and self._store_error is None and not self._keeper.only_in_memory:
            self._account.forget()
        return await self._refresh() or await self._login()

    async def _refresh(self) -> Token | None:
        base = self._base()
        while base is not None and await self._may_refresh(base):
            token = await self._refresh_with(base)
            if token is not None:
                return token
            await self._load()
            stored = self._stored
            newer = stored is not None and stored.generation > base.generation
            # An unknown refresh token is worth a try all the same: it may come from a clock that was set back.
            if stored is None or not (newer or stored.refresh_token not in {None, *self._dead}):
                return None
            if newer and self._setup.has_life(stored):
                return self._adopt()
            base = stored
        return None

    def _base(self) -> Token | None:
        candidates = [token for token in (self._account.token, self._stored) if token is not None]
        return max(candidates, key=lambda token: token.generation, default=None)

    async def _may_refresh(self, base: Token) -> bool:
        if not base.value:
            if self._credentials_at_hand is not None:
                await self._refusals.check(self._credentials_at_hand)
            return True
        if base.refresh_token is None or base.refresh_token in self._dead:
            return False
        doubtful = base.generation == self._account.dead_refresh or (not self._locked and self._keeper.rotates(base))
        return not (doubtful and self._setup.can_log_in)

    async def _refresh_with(self, base: Token) -> Token | None:
        def refresh() -> Flow[Token]:
            return self._setup.flow.refresh(base, now=self._begin())

        try:
            spends = base.refresh_token is not None
            exchange = self._exchange.run_refresh(refresh) if spends else self._exchange.run(refresh())
            token = await self._noting("refresh", exchange)
        except ReauthenticationRequired as error:
            self._bury(base, error)
            return None
        except InvalidCredentials as error:
            self._bury(base, error)
            if not base.value:
                self._account.forget()
            raise
        kept = await self._keeper.keep(token, base, "refresh", spent=base.refresh_token)
        if not base.value:
            self._account.prove(kept)
            await self._refusals.forget()
        return kept

    def _bury(self, base: Token, error: ReauthenticationRequired | InvalidCredentials) -> None:
        self._account.dead_refresh = base.generation
        self._dead.add(base.refresh_token or "")
        if isinstance(error, ReauthenticationRequired):
            self._refused = error

    async def _login(self) -> Result:
        credentials = self._credentials
        if isinstance(credentials, RefreshTokenCredentials):
            return None if credentials.refresh_token in self._dead else await self._login_with(credentials)
        if self._ahead and not self._setup.logs_in_ahead:
            raise self._no_way()
        if credentials is None:
            return None
        await self._refusals.check(credentials)
        return await self._login_with(credentials)

    async def _login_now(self) -> Result:
        return None if self._credentials is None else await self._login_with(self._credentials)

    async def _login_with(self, credentials: Credentials) -> Result:
        def login() -> Flow[Token | Challenge]:
            return self._setup.flow.login(credentials, now=self._begin())

        if isinstance(credentials, RefreshTokenCredentials):
            result = await self._noting("login", self._exchange.run_refresh(login))
            return await self._take(result, "login", credentials.refresh_token)
        return await self._take(await self._noting("login", self._exchange.run(login()), password=True), "login")

    async def _answer_now(self, challenge: Challenge, answers: Mapping[str, str]) -> Result:
        flow = self._setup.flow.answer(challenge, answers, now=self._begin())
        return await self._take(await self._noting("answer", self._exchange.run(flow), password=True), "answer")

    async def _take(self, result: Token | Challenge, how: How, spent: str | None = None) -> Token | Challenge:
        if isinstance(result, Challenge):
            self._account.asked_for = result, self._keeper.since.when(result.expires_at)
            return result
        token = await self._keeper.keep(result, self._account.token, how, spent=spent)
        if result.value:
            await self._refusals.forget()
        return token

    async def _noting(self, how: How, exchange: Awaitable[T], *, password: bool = False) -> T:
        """Remember a refusal; after a *password* whatever is definite: vendors count it, and may lock the account."""
        watcher = self._setup.watcher
        try:
            return await (exchange if watcher is None else watcher.exchange(self._setup.flow.account, how, exchange))
        except AuthError as error:
            said_no = password and is_definite(error) and not self._exchange.only_asked
            if not (isinstance(error, InvalidCredentials) or said_no):
                raise
            refused = error
        await self._refusals.note(self._credentials_at_hand, refused)
        raise refused

    @property
    def _credentials_at_hand(self) -> Credentials | None:
        return self._credentials or self._account.asked

    def _no_way(self) -> ReauthenticationRequired | StoreError:
        if self._refused is not None:
            return self._refused
        if self._store_error is not None:
            return self._store_error
        message = f"{self._setup.flow.account}: no usable token is stored, and there is nothing to log in with"
        return ReauthenticationRequired(message)
