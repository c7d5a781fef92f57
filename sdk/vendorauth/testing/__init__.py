"""
Test what uses this package: flows without a server, and real servers on the loopback interface.

The servers are imported when they are first asked for: pytest imports this package in every run, for its plugin.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vendorauth.testing.play import Played, play

if TYPE_CHECKING:
    from vendorauth.testing.clock import ManualClock
    from vendorauth.testing.proglove import FakeProGlove
    from vendorauth.testing.protogrid import FakeProtogrid
else:
    _MODULES = {"FakeProGlove": "proglove", "FakeProtogrid": "protogrid", "ManualClock": "clock"}

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})


__all__ = [
    "FakeProGlove",
    "FakeProtogrid",
    "ManualClock",
    "Played",
    "play",
]
