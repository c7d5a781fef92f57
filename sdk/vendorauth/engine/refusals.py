"""Remember a refused password beside the token, so that restarts and siblings do not send it again (rule 10)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from typing import Final, final

import attrs

from vendorauth._logging import fields
from vendorauth._wire import structure
from vendorauth.engine.account import UNKNOWN, Account, Refusal
from vendorauth.engine.freshness import Moment
from vendorauth.engine.pauses import next_cooldown
from vendorauth.engine.setup import Setup
from vendorauth.errors import (
    AuthError,
    ChallengeRequired,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
    StoreError,
    VendorAuthError,
)
from vendorauth.events import LoginRefused
from vendorauth.tokens import Credentials, Token

log: Final = logging.getLogger(__name__)

SUFFIX: Final = "|refused"
"""What the record's account ends with."""

_SKEW: Final = 1.0
"""Seconds that a record may be of the future without a clock having been set back."""

_LAST_SECOND: Final = 253_402_300_799.0
"""The end of the year 9999 in seconds since the epoch; no clock of Python's shows a later one."""


def is_definite(error: VendorAuthError) -> bool:
    """Tell whether *error*, in answer to a password, says that the vendor did look at it and said no."""
    other = ChallengeRequired | ReauthenticationRequired
    return isinstance(error, AuthError) and not error.temporary and not isinstance(error, other)


@attrs.frozen(kw_only=True)
class _Record:
    """
    The details of the stored record: hexadecimal salt and hash, *until* in seconds since the epoch, *pause*.

    *seen*: when somebody first found it to be of the future, because a clock was set back; by their own clock.
    """

    salt: str
    hash: str = attrs.field(repr=False)
    until: float
    pause: float
    seen: float | None = None


@final
class Refusals:
    """Keep refused credentials from being sent before their pause is over. Every method runs under the store's lock."""

    def __init__(self, setup: Setup, account: Account) -> None:
        self._setup = setup
        self._account = account
        self._vault = setup.vault
        self._floor = UNKNOWN

    async def check(self, credentials: Credentials) -> None:
        """
        Look whether *credentials* were refused, here or by a sibling.

        Raises:
            InvalidCredentials: They were, and the pause is not over.
            AuthError: Likewise, where the vendor had another reason.
        """
        here = self._account.refusal
        if here is not None and here.credentials != credentials:
            here = None
        if here is None or here.until.passed(self._setup.moment()):
            stored = await self._load(credentials)
            # A record whose pause has been waited for here is over, whatever the clock says that it was written by.
            here = None if stored is None or (here and here.recorded == stored.recorded) else stored
        if here is not None and not here.until.passed(self._setup.moment()):
            self._account.refusal = here
            raise here.again(self._setup.moment())

    async def note(self, credentials: Credentials | None, error: AuthError) -> None:
        """
        Remember that *credentials* were refused just now: the first pause, or twice the one before.

        A reason that is not theirs, such as a pool that is set up wrongly, is remembered here only: it must not keep
        the restart after its repair from logging in.
        """
        here = self._account.refusal
        stored = None if credentials is None else await self._load(credentials)
        earlier = [one.pause for one in (here, stored) if one is not None and one.credentials == credentials]
        pause = next_cooldown(max(earlier, default=None), self._setup.policy.denied_cooldown)
        until = self._setup.moment().wall + pause
        self._account.refusal = Refusal(error, credentials, self._later(pause), pause, until)
        if credentials is not None and isinstance(error, InvalidCredentials):
            await self._save(credentials, until, pause)
        account, name = self._setup.flow.account, type(error).__name__
        log.error(
            "the vendor refused the login of %s: %s: %s; these credentials are not sent again for %.0f s",
            account,
            name,
            error,
            pause,
            extra=fields(account, error=name, pause=pause),
        )
        self._setup.tell(LoginRefused(account=account, error=error, pause=pause))

    async def forget(self) -> None:
        """Delete the memory of a refusal: a login has succeeded."""
        known = self._account.pardon()
        try:
            if known is not None or await self._vault.load(SUFFIX) is not None:
                await self._vault.delete(SUFFIX)
        except StoreError:
            return

    def _later(self, seconds: float) -> Moment:
        return self._setup.moment().after(seconds)

    async def _load(self, credentials: Credentials) -> Refusal | None:
        try:
            stored = await self._vault.load(SUFFIX)
        except StoreError:
            return None
        self._floor = stored.generation if stored else UNKNOWN
        record = _read(stored)
        if record is None or not hmac.compare_digest(
            record.hash.encode(), (await _digest(credentials, record.salt)).encode()
        ):
            return None
        left = min(await self._end_of(record) - self._setup.moment().wall, record.pause)
        error = InvalidCredentials("the vendor refused these credentials a while ago")
        return Refusal(error, credentials, self._later(left), record.pause, record.until)

    async def _end_of(self, record: _Record) -> float:
        """
        Tell until when *record* counts.

        One of the future counts from when it was first seen, not from the start of each process that sees it. Whoever
        wrote it, with a clock that is ahead of ours, goes by the end that it names.
        """
        now = self._setup.moment().wall
        if record.until - record.pause <= now + _SKEW:
            return record.until
        seen = record.seen
        if seen is None or seen > now:
            seen = now
            await self._put(attrs.evolve(record, seen=seen))
        return seen + record.pause

    async def _save(self, credentials: Credentials, until: float, pause: float) -> None:
        salt = secrets.token_hex(16)
        await self._put(_Record(salt=salt, hash=await _digest(credentials, salt), until=until, pause=pause))

    async def _put(self, record: _Record) -> None:
        now = self._setup.clock.now()
        generation = max(self._floor + 1, int(now.timestamp() * 1000))
        details = {name: value for name, value in attrs.asdict(record).items() if value is not None}
        token = Token(value="", issued_at=now, generation=generation, details=details)
        try:
            await self._vault.save(token, SUFFIX)
        except StoreError:
            return


def _read(stored: Token | None) -> _Record | None:
    if stored is None:
        return None
    try:
        record = structure(dict(stored.details), _Record, "the record of a refused login")
    except ProtocolError:
        return None
    # A number may be of any size, or NaN in a store that keeps objects.
    possible = all(0 <= number <= _LAST_SECOND for number in (record.until, record.pause, record.seen or 0.0))
    return record if possible and record.salt.isascii() and record.hash.isascii() else None


async def _digest(credentials: Credentials, salt: str) -> str:
    # In ASCII, because half a character has no other encoding.
    parts = ascii(attrs.astuple(credentials)).encode()
    # Slow on purpose, so that the record is no help in guessing the password; in a thread, because it is slow.
    digest = await asyncio.to_thread(hashlib.scrypt, parts, salt=salt.encode(), n=2**14, r=8, p=1)
    return digest.hex()
