"""
Write the keys of views as the API takes them: JSON texts of arrays.

Source: Protogrid wiki, JSON API Database Views.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from vendorauth.errors import ConfigurationError
from vendorauth.tokens import JSON


def key_range(
    start_key: Sequence[JSON] | None, end_key: Sequence[JSON] | None, prefix: Sequence[JSON] | None
) -> tuple[str | None, str | None]:
    """
    Give the texts of the first and the last key; ``None`` where there is no such bound.

    Keys that begin with *prefix* lie between it with ``null`` and with ``{}`` at its end, as CouchDB sorts them.

    Raises:
        ConfigurationError: A key is no list of JSON values, or *prefix* is given together with another.
    """
    if prefix is None:
        return _bound("start_key", start_key), _bound("end_key", end_key)
    if start_key is not None or end_key is not None:
        message = "give prefix, or start_key and end_key, not both"
        raise ConfigurationError(message)
    parts = _checked("prefix", prefix)
    return key_text("prefix", [*parts, None]), key_text("prefix", [*parts, {}])


def key_text(name: str, key: Sequence[JSON]) -> str:
    """
    Write *key*, which is called *name*, as JSON.

    Raises:
        ConfigurationError: It is no list of JSON values.
    """
    try:
        return msgspec.json.encode(_checked(name, key)).decode()
    except (TypeError, ValueError, RecursionError):
        pass
    message = f"{name} must be a list of JSON values"
    raise ConfigurationError(message)


def _bound(name: str, key: Sequence[JSON] | None) -> str | None:
    return None if key is None else key_text(name, key)


def _checked(name: str, key: Any) -> Sequence[JSON]:
    if isinstance(key, list | tuple):
        return key  # pyright: ignore[reportUnknownVariableType]  it is what the user gave
    message = f"{name} must be a list of JSON values"
    raise ConfigurationError(message)
