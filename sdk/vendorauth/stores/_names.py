"""Name what is stored, so that a listing of a store tells nothing."""

from __future__ import annotations

import hashlib


def stored_name(account: str) -> str:
    """Turn *account* into the name of its record: 64 hexadecimal digits, the same everywhere."""
    return hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()
