"""Tell of trouble that a store has dealt with by itself, so that nobody has to fail and somebody still hears of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from vendorauth.errors import StoreError

_log: Final = logging.getLogger(__name__)

listener: Final = ContextVar[Callable[[StoreError], None] | None]("vendorauth_store_listener", default=None)
"""Who wants to hear of it; set around a call of a store, and called on the event loop of that call."""


def report(error: StoreError) -> None:
    """Log *error*, which names no secret, as a warning, and tell the listener if there is one."""
    _log.warning("%s", error)
    tell = listener.get()
    if tell is not None:
        tell(error)
