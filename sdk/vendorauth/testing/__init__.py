"""Test what uses this package: flows without a server, and real servers on the loopback interface."""

from vendorauth.testing.clock import ManualClock
from vendorauth.testing.play import Played, play
from vendorauth.testing.proglove import FakeProGlove
from vendorauth.testing.protogrid import FakeProtogrid

__all__ = [
    "FakeProGlove",
    "FakeProtogrid",
    "ManualClock",
    "Played",
    "play",
]
