"""Hold the numbers of a token's life that a user may set."""

from __future__ import annotations

from typing import Any

import attrs

from vendorauth.errors import ConfigurationError


def _seconds(_: object, field: attrs.Attribute[float], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        message = f"RefreshPolicy: {field.name} must be a number of seconds, 0 or more"
        raise ConfigurationError(message)


def _fraction(_: object, field: attrs.Attribute[float], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        message = f"RefreshPolicy: {field.name} must be a fraction, from 0 to 1"
        raise ConfigurationError(message)


def _growing(_: object, field: attrs.Attribute[tuple[float, float]], value: Any) -> None:
    pair: tuple[Any, ...] = value if isinstance(value, tuple) else ()  # pyright: ignore[reportUnknownVariableType]  it is checked here
    numbers = len(pair) == 2 and all(isinstance(one, int | float) for one in pair)  # noqa: PLR2004
    if not numbers or not 0 < pair[0] <= pair[1] < float("inf"):
        message = f"RefreshPolicy: {field.name} must be (first, largest) in seconds, above 0 and the first not above the largest"
        raise ConfigurationError(message)


@attrs.frozen(kw_only=True)
class RefreshPolicy:
    """
    Say when tokens are renewed and how long failures pause. In seconds unless said.

    Raises:
        ConfigurationError: A number is out of its range.
    """

    leeway: float = attrs.field(default=60.0, validator=_seconds)
    """Life that must be left for a token to be handed out without waiting; at most 1/20 of its life counts."""

    ahead: float = attrs.field(default=0.2, validator=_fraction)
    """A background renewal is due in this last fraction of a token's life ..."""

    jitter: float = attrs.field(default=0.5, validator=_fraction)
    """... and starts at a random point of the first *jitter* of that window, so that a fleet spreads out."""

    deadline: float = attrs.field(default=20.0, validator=_seconds)
    """One renewal's exchange, its repeat included: from holding the lock to the last byte of the answer."""

    backoff: tuple[float, float] = attrs.field(default=(1.0, 60.0), validator=_growing)
    """First and largest pause after a failed renewal."""

    denied_cooldown: tuple[float, float] = attrs.field(default=(300.0, 3600.0), validator=_growing)
    """First and largest pause before a refused password is sent again."""

    futile_pause: float = attrs.field(default=60.0, validator=_seconds)
    """How long refusals raise at once, without a renewal, after a renewed token was refused as well."""
