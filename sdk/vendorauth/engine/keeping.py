"""Keep a new token: number it, save it, publish it; and save it later where the store gave trouble."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from contextvars import Context
from typing import Final, final

import attrs

from vendorauth._logging import clock_time, fields, time_of
from vendorauth.engine.account import UNKNOWN, Account, Failure
from vendorauth.engine.freshness import Moment
from vendorauth.engine.pauses import pause_after
from vendorauth.engine.setup import Setup
from vendorauth.errors import AuthServiceUnavailable, StoreConflict, StoreError, StoreUnavailable
from vendorauth.events import How, Renewed
from vendorauth.tokens import Token

log: Final = logging.getLogger(__name__)

_DONE: Final[dict[How, str]] = {
    "login": "logged in %s",
    "answer": "logged in %s by an answer",
    "refresh": "renewed %s",
    "store": "took the token of %s from the store",
}

ROTATES: Final = "rotates"
"""Set in a token's details once its refresh token was seen to be replaced by another."""


@final
class Keeper:
    """
    Keep what one renewal brought.

    *floor* is the highest generation that was seen, which the new token's is above; *reachable* turns false when the store is to be
    left alone for the rest of this renewal. *since* is when the exchange began: what it brings is as old as that.
    """

    def __init__(self, setup: Setup, account: Account, replaces: Token | None = None, *, ahead: bool = False) -> None:
        self._setup = setup
        self._account = account
        self._ahead = ahead
        self.since: Moment = setup.moment()
        self._began = self.since.monotonic
        self.floor: int = replaces.generation if replaces else UNKNOWN
        self.reachable: bool = True

    @property
    def only_in_memory(self) -> bool:
        """Whether the current token is rightly not in the store: unsaved as yet, or never to be stored."""
        token = self._account.token
        return self._account.unsaved or (token is not None and not token.value)

    def rotates(self, token: Token) -> bool:
        """Tell whether *token*'s refresh token was ever seen to be replaced."""
        return token.details.get(ROTATES) is True

    def adopt(self, stored: Token) -> Token:
        """Take over what somebody else has stored, unless something newer has come here meanwhile."""
        current = self._account.token
        if current is not None and current.generation >= stored.generation:
            return current
        self._account.hold(stored, self._setup.life(stored), unsaved=False)
        self._account.adopted = stored.generation
        # Whoever stored it may have logged in meanwhile; if not, the record in the store still tells of the refusal.
        self._account.pardon()
        self._tell(stored, "store")
        return stored

    async def keep(self, token: Token, previous: Token | None, how: How, *, spent: str | None = None) -> Token:
        """
        Save *token*, which came in place of *previous*, then publish it: rules 4, 5, 6.

        *spent* is the refresh token that it was got with. Gives the store's token instead where that turns out to be
        newer. Cancelling it loses nothing.

        Raises:
            StoreError: Only with ``strict_store``; the token serves from memory all the same.
        """
        token = self._numbered(token, previous, spent)
        attempts = self._account.attempts
        trouble: StoreError | None = None
        unsaved = bool(token.value)
        try:
            trouble = await self._save(token)
            unsaved = trouble is not None
        finally:
            self._account.hold(token, self._setup.life(token, self.since), unsaved=unsaved)
        if isinstance(trouble, StoreConflict):
            stored = await self._stored()
            if stored is not None and stored.generation > token.generation:
                if self._setup.has_life(stored):
                    return self.adopt(stored)
                token = attrs.evolve(token, generation=stored.generation + 1)
                trouble = await self._save(token)
                unsaved = trouble is not None
                self._account.hold(token, self._setup.life(token, self.since), unsaved=unsaved)
        self._watch_progress(token, previous, attempts)
        self._tell(token, how)
        if trouble is not None and unsaved:
            keep_saving(self._setup, self._account)
            if self._setup.strict_store:
                raise trouble
        return token

    def _numbered(self, token: Token, previous: Token | None, spent: str | None) -> Token:
        last = max(self.floor, self._account.floor, previous.generation if previous else UNKNOWN)
        details = dict(token.details)
        rotated = spent is not None and token.refresh_token not in {None, spent}
        if rotated or (previous is not None and self.rotates(previous)):
            details[ROTATES] = True
        generation = max(last + 1, int(token.issued_at.timestamp() * 1000))
        return attrs.evolve(token, generation=generation, details=details)

    async def _save(self, token: Token) -> StoreError | None:
        if not token.value:
            return None
        if not self.reachable:
            return StoreUnavailable("the token store could not be reached during this renewal")
        try:
            await self._setup.vault.save(token)
        except StoreError as error:
            return error
        return None

    async def _stored(self) -> Token | None:
        with suppress(StoreError):
            return await self._setup.vault.load()
        return None

    def _watch_progress(self, token: Token, previous: Token | None, attempts: int) -> None:
        """
        Bring a pause where a new token does not last longer than the one before: rule 7.

        Not where a clock was set, which says nothing about the vendor: back since the token before, or on meanwhile.
        """
        now = self._setup.moment()
        set_back = previous is not None and token.issued_at < previous.issued_at
        ends = (previous.expires_at if previous else None, token.expires_at)
        stuck = ends[0] is not None and ends[1] is not None and ends[1] <= ends[0]
        if (set_back or not stuck) and now.monotonic < self._account.life.end.monotonic:
            return
        error = AuthServiceUnavailable("the vendor's new token ends no later than the one before")
        pause = pause_after(attempts + 1, self._setup.policy.backoff, self._setup.draw())
        self._account.fail(Failure(error, attempts + 1, now.after(pause), stuck=True))

    def _tell(self, token: Token, how: How) -> None:
        now, life = self._setup.moment(), self._account.life
        seconds, account = now.monotonic - self._began, self._setup.flow.account
        due = time_of((life.ahead if self._account.refreshable else life.stale).wall)
        log.info(
            "%s after %.2f s, %s",
            _DONE[how] % account,
            seconds,
            f"next renewal at {clock_time(due, now.wall)}" if due else "it needs no renewal",
            extra=fields(account, how=how, seconds=seconds, ahead=self._ahead, next_renewal=due),
        )
        self._setup.tell(
            Renewed(
                account=account,
                how=how,
                generation=token.generation,
                expires_at=token.expires_at,
                seconds=seconds,
                ahead=self._ahead,
            )
        )


def keep_saving(setup: Setup, account: Account) -> None:
    """Repeat a failed save with rule 9's pauses, by one task of its own, until it is done or `last_save` ends it."""
    if account.saver is None or account.saver.done():
        account.saver = asyncio.get_running_loop().create_task(
            _keep_saving(setup, account), context=Context(), name="vendorauth save"
        )


async def _keep_saving(setup: Setup, account: Account) -> None:
    attempt = 0
    while account.unsaved:
        attempt += 1
        await asyncio.sleep(pause_after(attempt, setup.policy.backoff, setup.draw()))
        await _save_now(setup, account)


async def stop_saving(account: Account) -> None:
    """End the repeating, a save that is under way included."""
    saver, account.saver = account.saver, None
    if saver is not None:
        saver.cancel()
        await asyncio.wait({saver})


async def last_save(setup: Setup, account: Account) -> None:
    """
    Save what is not in the store yet, a rolled cookie too: rules 14, 16, 17.

    It ends the repeating, unless somebody else uses the account still.
    """
    await stop_saving(account)
    if account.unsaved or account.rolled:
        await _save_now(setup, account)
    if account.unsaved and account.users:
        keep_saving(setup, account)


async def _save_now(setup: Setup, account: Account) -> None:
    async with AsyncExitStack() as stack:
        with suppress(StoreError):
            await stack.enter_async_context(setup.vault.locked())
        token = account.token
        if token is None or not token.value:
            return
        with suppress(StoreError):
            await _save_once(setup, account, token)


async def _save_once(setup: Setup, account: Account, token: Token) -> None:
    if not account.unsaved:
        stored = await setup.vault.load()
        if stored is None or stored.generation != token.generation:
            return
    try:
        await setup.vault.save(token)
    except StoreConflict:
        stored = await setup.vault.load()
        if stored is not None and setup.has_life(stored):
            Keeper(setup, account).adopt(stored)
    if account.token is token:
        account.unsaved = account.rolled = False
