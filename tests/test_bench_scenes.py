"""The crowds of the benchmarks, played small over real sockets: what they count holds however busy the machine is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from vendorauth import AuthServiceUnavailable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from authority import issue
from measuring import server
from scenes import VENDORAUTH, Stage, crowd_at_expiry


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with server(issue) as (pipe, url):
        yield Stage(pipe, url)


async def test_crowd_when_the_token_has_expired(stage: Stage) -> None:
    """Rules 2, 5: 300 requests at once bring one renewal; none is sent before it is there, and all succeed."""
    burst, seen = await crowd_at_expiry(stage, VENDORAUTH, 300, wait=1.1)
    assert (0, 1, 0) == (burst.failed, seen.renewals, seen.meanwhile)


async def test_waiters_in_an_outage(stage: Stage) -> None:
    """Rules 2, 9: 100 who wait while the endpoint answers 500 are all told so, after one request to it."""
    stage.order(status=500, delay=0.05)
    async with VENDORAUTH.opened(stage.url) as operation:
        told = await asyncio.gather(*[operation() for _ in range(100)], return_exceptions=True)
    assert [AuthServiceUnavailable] * 100 == [type(error) for error in told]
    assert 1 == stage.order().renewals
