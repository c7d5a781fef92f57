"""
Give pytest the fakes as fixtures; pytest finds this plugin by itself where the package is installed.

The fakes run in a thread of their own. So the same fixtures serve plain tests and those of pytest-asyncio, in whatever
mode, and of anyio. ``-p no:vendorauth`` leaves the plugin out. A test that asks for none of the fixtures
imports nothing but this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock


@pytest.fixture
def vendorauth_clock() -> ManualClock:
    """
    Give a `vendorauth.testing.ManualClock`, which moves only when the test says so.

    The fakes of the same test go by it; hand it to the client as ``clock=``.
    """
    from vendorauth.testing import ManualClock  # noqa: PLC0415  for those only who ask

    return ManualClock()


@pytest.fixture
def fake_proglove(request: pytest.FixtureRequest) -> Iterator[FakeProGlove]:
    """Give a running `vendorauth.testing.FakeProGlove`, all switches as they are at first."""
    from vendorauth.testing import FakeProGlove  # noqa: PLC0415  for those only who ask

    with FakeProGlove(clock=_clock(request)) as fake:
        yield fake


@pytest.fixture
def fake_protogrid(request: pytest.FixtureRequest) -> Iterator[FakeProtogrid]:
    """Give a running `vendorauth.testing.FakeProtogrid`, all switches as they are at first."""
    from vendorauth.testing import FakeProtogrid  # noqa: PLC0415  for those only who ask

    with FakeProtogrid(clock=_clock(request)) as fake:
        yield fake


def _clock(request: pytest.FixtureRequest) -> Callable[[], float]:
    """Give the test's own clock where it has one, else the system's."""
    if "vendorauth_clock" not in request.fixturenames:
        return time.time
    clock: ManualClock = request.getfixturevalue("vendorauth_clock")
    return clock.timestamp
