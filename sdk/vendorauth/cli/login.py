"""Log a profile in, asking for what is missing, and out again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from vendorauth.cli.asking import Answers, ask, ask_secret, choose, require, say
from vendorauth.cli.choices import STORES, VENDORS, StoreKind, Vendor
from vendorauth.cli.clients import client_of, credentials_of
from vendorauth.cli.failures import naming
from vendorauth.cli.places import best_store, describe, encryption_trouble, keychain_trouble, store_of
from vendorauth.cli.profiles import (
    Profile,
    check_name,
    find_profile,
    forget_profile,
    read_profiles,
    save_profile,
    variable,
)
from vendorauth.errors import ChallengeRequired, ConfigurationError, InvalidCredentials
from vendorauth.stores import TokenStore
from vendorauth.tokens import Challenge, Credentials, PasswordCredentials, RefreshTokenCredentials, Token

_MISTYPED: Final = "CodeMismatchException"
_TRIES: Final = 3


@attrs.frozen(kw_only=True)
class Given:
    """Be what the command line says about a login; ``None`` is to be asked for, or as it was."""

    vendor: Vendor | None = None
    base_url: str | None = None
    customer_id: str | None = None
    username: str | None = None
    store: StoreKind | None = None
    cognito_url: str | None = None
    account: str | None = None
    codes: Sequence[str] = ()
    password_from_stdin: bool = False


def log_in(name: str, given: Given) -> tuple[Profile, Token]:
    """
    Log the profile *name* in, and keep the profile; what is missing is asked for.

    Raises:
        ConfigurationError: Something can't be right, or is missing and there is no terminal to ask at.
        VendorAuthError: The login failed; the profile is kept as it was.
    """
    check_name(name)
    old = read_profiles().get(name)
    secret = _secret_at_hand(name, given)
    profile = _complete(name, old, given, secret)
    store = store_of(profile, make_key=True)
    credentials = _credentials(profile, secret)
    with naming(name):
        token = _logged_in(profile, store, credentials, Answers(given.codes))
        if old is not None and (old.store, old.account_name) != (profile.store, profile.account_name):
            asyncio.run(store_of(old).delete(old.account_name))
    save_profile(name, profile)
    return profile, token


def log_out(name: str, *, forget: bool) -> None:
    """
    Revoke the tokens of the profile *name* where the vendor can, and delete them; with *forget*, the profile as well.

    Raises:
        ConfigurationError: There is no such profile.
        VendorAuthError: The tokens could not be deleted.
    """
    profile = find_profile(name)
    with naming(name):
        asyncio.run(_log_out(profile, credentials_of(name, profile)))
    if forget:
        forget_profile(name)


async def _log_out(profile: Profile, credentials: Credentials | None) -> None:
    async with client_of(profile, credentials, strict_store=True, on_event=None) as client:
        await client.logout()


def _secret_at_hand(name: str, given: Given) -> Credentials | str | None:
    """Give a refresh token, or a password, that nobody has to be asked for."""
    if given.password_from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if password:
            return password
        message = "there is no password on the standard input"
        raise ConfigurationError(message)
    found = credentials_of(name, Profile(vendor="proglove", base_url="", username="-"))
    return found.password if isinstance(found, PasswordCredentials) else found


def _complete(name: str, old: Profile | None, given: Given, secret: Credentials | str | None) -> Profile:
    names = attrs.fields_dict(Profile).keys()
    told = {key: value for key, value in attrs.asdict(given).items() if key in names and value is not None}
    settled: dict[str, Any] = (attrs.asdict(old) if old else {}) | told
    service = isinstance(secret, RefreshTokenCredentials)
    _require_all(name, settled, secret)
    if "vendor" not in settled:
        settled["vendor"] = choose("Vendor", VENDORS, VENDORS[0])
    if "base_url" not in settled:
        settled["base_url"] = ask("Base URL")
    if settled["vendor"] == "proglove" and not settled.get("customer_id"):
        settled["customer_id"] = ask("Customer id")
    if not settled.get("username") and not service:
        settled["username"] = ask("User name")
    if service and not settled.get("username") and not settled.get("account"):
        settled["account"] = name
    if "store" not in settled:
        settled["store"] = _chosen_store()
    return Profile(**settled)


def _require_all(name: str, settled: Mapping[str, str], secret: Credentials | str | None) -> None:
    missing = [f"--{key.replace('_', '-')}" for key in ("vendor", "base_url") if key not in settled]
    if settled.get("vendor") != "protogrid" and not settled.get("customer_id"):
        missing.append("--customer-id (for ProGlove)")
    if not isinstance(secret, RefreshTokenCredentials) and not settled.get("username"):
        missing.append("--username")
    if secret is None:
        password, refresh_token = (variable(name, what) for what in ("PASSWORD", "REFRESH_TOKEN"))
        missing.append(f"--password-stdin (or set {password} or {refresh_token})")
    if "store" not in settled:
        missing.append("--store")
    require(missing)


def _chosen_store() -> StoreKind:
    troubles = {"keyring": keychain_trouble(), "encrypted-file": encryption_trouble(), "file": None}
    say("Where may the token rest?")
    for kind in STORES:
        say(f"  {kind}: {troubles[kind] or describe(kind)}")
    return choose("Store", [kind for kind in STORES if troubles[kind] is None], best_store())


def _credentials(profile: Profile, secret: Credentials | str | None) -> Credentials:
    if isinstance(secret, RefreshTokenCredentials | PasswordCredentials):
        return secret
    return PasswordCredentials(profile.username or "", secret or ask_secret(f"Password of {profile.username}"))


def _logged_in(profile: Profile, store: TokenStore, credentials: Credentials, answers: Answers) -> Token:
    """Log in; whatever the vendor asks in between is answered outside of the loop, where Ctrl-C works."""
    outcome = asyncio.run(_attempt(profile, store, credentials, None, {}))
    left = _TRIES
    while isinstance(outcome, Challenge):
        try:
            outcome = asyncio.run(_attempt(profile, store, credentials, outcome, answers.to(outcome)))
        except InvalidCredentials as error:
            left -= 1
            if error.code != _MISTYPED or not answers.asked or not left:
                raise
            say("That code is wrong: once more.")
    return outcome


async def _attempt(
    profile: Profile,
    store: TokenStore,
    credentials: Credentials,
    challenge: Challenge | None,
    answers: dict[str, str],
) -> Token | Challenge:
    async with client_of(profile, credentials, store=store, strict_store=True, on_event=None) as client:
        try:
            if challenge is None:
                return await client.login()
            return await client.tokens.answer(challenge, answers)
        except ChallengeRequired as error:
            return error.challenge
