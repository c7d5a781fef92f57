"""Read a client's settings from environment variables."""

from __future__ import annotations

import os

from vendorauth.errors import ConfigurationError
from vendorauth.tokens import Credentials, PasswordCredentials, RefreshTokenCredentials


def required(prefix: str, name: str) -> str:
    """
    Give the variable ``PREFIX_NAME``.

    Raises:
        ConfigurationError: It is not set, or empty.
    """
    value = optional(prefix, name)
    if value is None:
        message = f"the environment variable {prefix}_{name} is not set"
        raise ConfigurationError(message)
    return value


def optional(prefix: str, name: str) -> str | None:
    """Give the variable ``PREFIX_NAME``; ``None`` where it is not set, or empty."""
    return os.environ.get(f"{prefix}_{name}") or None


def credentials_from(prefix: str) -> Credentials | None:
    """
    Give ``PREFIX_REFRESH_TOKEN``, or else ``PREFIX_USERNAME`` and ``PREFIX_PASSWORD``, or ``None`` without all three.

    Raises:
        ConfigurationError: There is a user name or a password alone.
    """
    refresh_token = optional(prefix, "REFRESH_TOKEN")
    if refresh_token is not None:
        return RefreshTokenCredentials(refresh_token)
    if optional(prefix, "USERNAME") is None and optional(prefix, "PASSWORD") is None:
        return None
    return PasswordCredentials(required(prefix, "USERNAME"), required(prefix, "PASSWORD"))
