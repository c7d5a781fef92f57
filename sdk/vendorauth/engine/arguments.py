"""Look at what a user handed in, so that a slip is told at once and not at three in the morning."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any, Final

from vendorauth.engine.policy import RefreshPolicy
from vendorauth.errors import ConfigurationError
from vendorauth.tokens import PasswordCredentials, RefreshTokenCredentials

_STORE: Final = ("load", "save", "delete", "lock")


def check_arguments(credentials: Any, store: Any, policy: Any, on_event: Any) -> None:
    """
    See whether these can be what they have to be; the values are not shown.

    Raises:
        ConfigurationError: One of them can't.
    """
    known = credentials is None or isinstance(credentials, PasswordCredentials | RefreshTokenCredentials)
    if not known and not callable(credentials):
        message = f"credentials must be credentials, an async callable or None, not {type(credentials).__name__}"
        raise ConfigurationError(message)
    if not all(callable(getattr(store, name, None)) for name in _STORE):
        message = f"store must have load, save, delete and lock, which {type(store).__name__} has not"
        raise ConfigurationError(message)
    if policy is not None and not isinstance(policy, RefreshPolicy):
        message = f"policy must be a RefreshPolicy, not {type(policy).__name__}"
        raise ConfigurationError(message)
    if on_event is not None and (not callable(on_event) or iscoroutinefunction(on_event)):
        message = "on_event must be a plain callable, and not async"
        raise ConfigurationError(message)
