"""Forget the tokens, here, in the store, and at the vendor's (rule 14)."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, suppress
from typing import Final

from vendorauth._logging import fields
from vendorauth.engine.account import Account
from vendorauth.engine.exchange import Exchange
from vendorauth.engine.foreign import sending_for
from vendorauth.engine.keeping import stop_saving
from vendorauth.engine.setup import Setup
from vendorauth.errors import StoreError, VendorAuthError
from vendorauth.events import LoggedOut
from vendorauth.tokens import Token

log: Final = logging.getLogger(__name__)

REVOKE_WITHIN: Final = 5.0
"""Seconds that telling the vendor may take."""


async def log_out(setup: Setup, account: Account) -> None:
    """
    Revoke what store and memory hold, delete it, and always forget it here.

    Raises:
        StoreError: Only with ``strict_store``: the stored token could not be deleted.
    """
    await stop_saving(account)
    async with AsyncExitStack() as stack:
        with suppress(StoreError):
            await stack.enter_async_context(setup.vault.locked())
        tokens = await _known_tokens(setup, account)
        account.logged_out = max([account.floor, account.logged_out, *(token.generation for token in tokens)])
        account.forget()
        account.failure = account.challenge = account.asked_for = None
        try:
            refused = await _revoke(setup, account, tokens)
        finally:
            trouble = await _delete(setup)
        account.undeleted = frozenset(token.generation for token in tokens) if trouble else frozenset()
    name, revoked = setup.flow.account, bool(tokens) and refused is None
    log.log(
        logging.INFO if refused is None else logging.WARNING,
        "logged out %s; %s",
        name,
        "it had no token"
        if not tokens
        else f"the vendor could not be told: {refused}"
        if refused
        else "done at the vendor's, too",
        extra=fields(name, revoked=revoked, error=refused and type(refused).__name__),
    )
    setup.tell(LoggedOut(account=name, revoked=revoked, error=refused))
    if trouble is not None and setup.strict_store:
        raise trouble


async def _known_tokens(setup: Setup, account: Account) -> list[Token]:
    tokens = [] if account.token is None else [account.token]
    with suppress(StoreError):
        stored = await setup.vault.load()
        if stored is not None and (not tokens or stored.refresh_token != tokens[0].refresh_token):
            tokens.append(stored)
    return tokens


async def _revoke(setup: Setup, account: Account, tokens: list[Token]) -> VendorAuthError | None:
    exchange = Exchange(sending_for(account, setup.send), REVOKE_WITHIN)
    refused: VendorAuthError | None = None
    for token in tokens:
        try:
            await exchange.run(setup.flow.revoke(token))
        except VendorAuthError as error:
            refused = error
    return refused


async def _delete(setup: Setup) -> StoreError | None:
    try:
        await setup.vault.delete()
    except StoreError as error:
        return error
    return None
