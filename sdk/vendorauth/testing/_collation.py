"""Sort JSON as CouchDB does: null, false, true, numbers, texts, arrays, objects."""

from __future__ import annotations

from typing import Any

from vendorauth.tokens import JSON


def rank(value: JSON) -> tuple[Any, ...]:
    """Give what *value* is sorted by; texts by their code points, which is simpler than CouchDB's own order."""
    match value:
        case None:
            return (0,)
        case bool():
            return (1, value)
        case int() | float():
            return (2, value)
        case str():
            return (3, value)
        case [*items]:
            return (4, tuple(rank(one) for one in items))
        case _:
            return (5, tuple((name, rank(one)) for name, one in value.items()))
