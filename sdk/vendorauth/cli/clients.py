"""Make the client of a profile."""

from __future__ import annotations

import os
import sys
from typing import Unpack

from vendorauth.cli.failures import one_line
from vendorauth.cli.places import store_of
from vendorauth.cli.profiles import Profile, variable
from vendorauth.client import BaseClient, ClientOptions
from vendorauth.errors import ConfigurationError
from vendorauth.events import StoreTrouble, TokenEvent
from vendorauth.proglove import ProGloveClient
from vendorauth.protogrid import ProtogridClient
from vendorauth.tokens import Credentials, PasswordCredentials, RefreshTokenCredentials


def credentials_of(name: str, profile: Profile) -> Credentials | None:
    """
    Read the credentials of the profile *name* from the environment; ``None`` where there are none.

    Raises:
        ConfigurationError: There is a password, and no user name in *profile*.
    """
    refresh_token = os.environ.get(variable(name, "REFRESH_TOKEN"))
    if refresh_token:
        return RefreshTokenCredentials(refresh_token)
    password = os.environ.get(variable(name, "PASSWORD"))
    if not password:
        return None
    if not profile.username:
        message = f"{variable(name, 'PASSWORD')} is set, but the profile {name!r} has no username"
        raise ConfigurationError(message)
    return PasswordCredentials(profile.username, password)


def client_of(
    profile: Profile, credentials: Credentials | None, **options: Unpack[ClientOptions]
) -> ProGloveClient | ProtogridClient:
    """
    Make the client of *profile*; it tells the standard error about trouble with the store.

    Raises:
        ConfigurationError: Something in the profile can't be right.
    """
    options.setdefault("store", store_of(profile))
    options.setdefault("on_event", _warn)
    if profile.vendor == "protogrid":
        return ProtogridClient(
            profile.base_url,
            credentials,
            account=profile.account_name,
            login_with=profile.login_with,
            user_header=profile.user_header,
            **options,
        )
    return ProGloveClient(
        profile.base_url,
        profile.customer_id or "",
        credentials,
        account=profile.account_name,
        token_kind=profile.token_kind,
        authorization_scheme=profile.authorization_scheme,
        cognito_url=profile.cognito_url,
        refresh_with=profile.refresh_with,
        **options,
    )


def client_for(name: str, profile: Profile) -> BaseClient:
    """Make the client of the profile *name*, with the credentials that the environment has. Raises as `client_of`."""
    return client_of(profile, credentials_of(name, profile))


def _warn(event: TokenEvent) -> None:
    if isinstance(event, StoreTrouble):
        sys.stderr.write(f"vendorauth: warning: the token store gave trouble: {one_line(str(event.error))}\n")
