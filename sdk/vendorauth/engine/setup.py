"""Hold what one token source was made with."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import attrs

from vendorauth.engine.clock import Clock, moment
from vendorauth.engine.exchange import Send
from vendorauth.engine.freshness import Life, Moment, life_of
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.engine.vault import Vault
from vendorauth.engine.watching import Watcher
from vendorauth.errors import StoreError, StoreLockTimeout, VendorAuthError
from vendorauth.events import TokenEvent
from vendorauth.flows import LoginFlow
from vendorauth.tokens import Challenge, CredentialsSource, PasswordCredentials, Token

OnChallenge: TypeAlias = Callable[[Challenge], Awaitable[Mapping[str, str]]]
"""Asks a person; is given the challenge and returns the answers by field."""

OnEvent: TypeAlias = Callable[[TokenEvent], None]
"""Is told what happened, by the loop's ``call_soon``."""


class Turns(Protocol):
    """Say when an exchange with the vendor may begin, where many accounts share a quota."""

    async def take(self) -> None:
        """Wait for a turn; cancelling it takes none. Raises `AuthServiceUnavailable` where no more are given."""
        ...

    def give_back(self) -> None:
        """Let somebody else have a turn that was not used."""
        ...


@attrs.define(kw_only=True)
class Setup:
    """
    Say how one source logs in, sends, stores, tells the time and reports.

    *turns*: what each exchange waits for first. *watcher* sees flights, exchanges and events.
    """

    flow: LoginFlow
    credentials: CredentialsSource = attrs.field(repr=False)
    vault: Vault
    send: Send
    policy: RefreshPolicy
    clock: Clock
    tell: OnEvent
    on_challenge: OnChallenge | None
    strict_store: bool
    turns: Turns | None = None
    watcher: Watcher | None = None
    draw: Callable[[], float] = random.random

    def moment(self) -> Moment:
        """Read both clocks."""
        return moment(self.clock)

    def life(self, token: Token, since: Moment | None = None) -> Life:
        """Work out *token*'s life from *since* (now) on, with the start of its background renewal drawn."""
        return life_of(token, self.policy, self.moment() if since is None else since, self.draw())

    def has_life(self, token: Token, *, ahead: bool = False) -> bool:
        """Tell whether *token* has more life than the leeway; with *ahead*, whether no renewal is due at all."""
        life = life_of(token, self.policy, self.moment())
        return not (life.ahead if ahead else life.stale).passed(self.moment())

    @property
    def can_log_in(self) -> bool:
        """Whether there may be a password to log in with."""
        return callable(self.credentials) or isinstance(self.credentials, PasswordCredentials)

    @property
    def logs_in_ahead(self) -> bool:
        """Whether a login may be sent ahead of expiry; a flow that does not inherit `BaseLoginFlow` need not say."""
        return self.credentials is not None and getattr(self.flow, "logs_in_ahead", False) is True

    def held_back(self, error: VendorAuthError) -> bool:
        """
        Tell whether *error*, of a renewal ahead of expiry, means that only a password would have helped (rules 7, 16).

        Without the store's lock a refresh token that rotates is not spent.
        """
        of_store = isinstance(error, StoreError) and not isinstance(error, StoreLockTimeout)
        return of_store and self.can_log_in and not self.strict_store
