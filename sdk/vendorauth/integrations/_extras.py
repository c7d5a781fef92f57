"""Tell what to install where an integration's library is missing."""

from __future__ import annotations


def told(error: ModuleNotFoundError, library: str, extra: str) -> ModuleNotFoundError:
    """Give *error* again, with the *extra* that brings *library*; as it is where the library itself misses something."""
    if error.name != library:
        return error
    message = f"vendorauth.integrations.{library} needs an extra: pip install 'vendorauth[{extra}]'"
    return ModuleNotFoundError(message, name=library)
