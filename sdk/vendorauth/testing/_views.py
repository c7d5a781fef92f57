"""Answer what Protogrid's API has besides the apps: views, cards and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import unquote

import msgspec

from vendorauth.testing._collation import rank
from vendorauth.tokens import JSON


def segments(path: str) -> list[str]:
    """Take *path* apart, and decode the parts."""
    return [unquote(part) for part in path.split("/")]


def rows(view: list[JSON], params: Mapping[str, str], size: int) -> JSON:
    """
    Give the rows of *view* that *params* asks for, *size* at most, sorted by their keys.

    Raises:
        ValueError: A key is no array, or the limit no positive number.
    """
    limit = min(int(params.get("limit", str(size))), size)
    if limit < 1:
        message = "limit is positive"
        raise ValueError(message)
    start, end = (_key(params.get(name)) for name in ("start_key", "end_key"))
    found = sorted((row for row in view if _lies(row["key"], start, end)), key=lambda row: rank(row["key"]))
    answer: dict[str, JSON] = {"rows": found[:limit]}
    return answer | ({"next_card_key": found[limit]["key"]} if limit < len(found) else {})


def _lies(key: JSON, start: JSON, end: JSON) -> bool:
    return (start is None or rank(start) <= rank(key)) and (end is None or rank(key) <= rank(end))


def _key(text: str | None) -> JSON:
    if text is None:
        return None
    key: JSON = msgspec.json.decode(text)
    if not isinstance(key, list):
        message = "a key is an array"
        raise ValueError(message)  # noqa: TRY004  what the caller looks for
    return cast("JSON", key)
