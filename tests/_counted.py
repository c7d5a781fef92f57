"""Count the inputs that properties are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, Final, TypeVar

from hypothesis import settings

T = TypeVar("T")

SHORT: Final = "tests"
LONG: Final = "long"
"""The profiles: every run of the tests, and `nox -s fuzz`."""

_STEP: Final = 16

inputs: Final[Counter[str]] = Counter()
"""How many inputs each property examined."""

_OTHERS: Final = "tests that are no properties"

_current: Final = [_OTHERS]


def thinned(variants: Sequence[T], start: int) -> Sequence[T]:
    """Give all *variants* in a long run, else every sixteenth, beginning at *start*."""
    if settings.get_current_profile_name() == LONG:
        return variants
    return variants[start % _STEP :: _STEP]


def each(variants: Iterable[T]) -> Iterator[T]:
    """Go through *variants*, and count them."""
    for variant in variants:
        inputs[_current[0]] += 1
        yield variant


def counted(check: Callable[..., Any]) -> Callable[..., Any]:
    """Count the inputs of the property *check*: those that it goes through, or one."""
    name = f"{check.__module__}.{check.__qualname__}"

    @wraps(check)
    def count(*args: Any, **kwargs: Any) -> Any:
        _current[0], before = name, inputs[name]
        try:
            return check(*args, **kwargs)
        finally:
            inputs[name] += inputs[name] == before
            _current[0] = _OTHERS

    return count
