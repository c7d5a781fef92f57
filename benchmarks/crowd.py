"""Compare what happens to a crowd: 10,000 callers when the token has expired, 100 when it can't be renewed."""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import psutil
from authority import issue
from keepers import BARE, PEERS
from measuring import Operation, Row, paired, reference_row, server
from scenes import TOKEN_PATH, VENDORAUTH, Keeper, Stage, alone, at_once, crowd_at_expiry, crowd_with_token

FRESH: Final = "a fresh token"
"""The reference of every client is its own crowd with one; this row is bare aiohttp's."""
WAITERS: Final = 100
SERVER_ERROR: Final = 500
TAKES: Final = 0.05
"""Seconds that a renewal takes, and an answer that there is none."""


def run() -> list[Row]:
    """Give the rows of a crowd at expiry; each client has processes of its own, for the sake of its memory."""
    bare = alone(_fresh, BARE)
    rows = [reference_row(FRESH, bare, how=BARE.how, MB=alone(_growth, BARE, False))]
    return rows + [_crowd_row(keeper) for keeper in (VENDORAUTH, *PEERS)]


def _crowd_row(keeper: Keeper) -> Row:
    pairs, renewals, failed = alone(_at_expiry, keeper)
    fresh, expired = alone(_growth, keeper, False), alone(_growth, keeper, True)
    figures = {"callers": float(keeper.most), "renewals": renewals, "failed": failed}
    return paired(keeper.name, pairs, how=keeper.how, **figures, **{"MB": expired, "MB more": expired - fresh})


def _fresh(keeper: Keeper) -> list[float]:
    async def bursts(stage: Stage) -> list[float]:
        return [(await crowd_with_token(stage, keeper, keeper.most)).seconds for _ in range(keeper.rounds)]

    with server(issue) as (pipe, url):
        return asyncio.run(bursts(Stage(pipe, url)))


def _at_expiry(keeper: Keeper) -> tuple[list[tuple[float, float]], float, float]:
    """Give the times of crowds at expiry, each with that of a crowd with a token beside it; most renewals, most failures."""
    with server(issue) as (pipe, url):
        return asyncio.run(_crowds(Stage(pipe, url), keeper))


async def _crowds(stage: Stage, keeper: Keeper) -> tuple[list[tuple[float, float]], float, float]:
    pairs, renewals, failed = list[tuple[float, float]](), 0, 0
    for _ in range(keeper.rounds):
        fresh = await crowd_with_token(stage, keeper, keeper.most)
        expired, seen = await crowd_at_expiry(stage, keeper, keeper.most, delay=TAKES)
        pairs.append((expired.seconds, fresh.seconds))
        renewals, failed = max(renewals, seen.renewals), max(failed, expired.failed)
    return pairs, float(renewals), float(failed)


def _growth(keeper: Keeper, expired: bool) -> float:  # noqa: FBT001  it is for a process pool
    """Give by how many MB the first crowd of a process makes it grow at most."""

    async def growth(stage: Stage) -> float:
        before = psutil.Process().memory_info().rss
        await (crowd_at_expiry if expired else crowd_with_token)(stage, keeper, keeper.most)
        return (_peak() - before) / 2**20

    with server(issue) as (pipe, url):
        return asyncio.run(growth(Stage(pipe, url)))


def _peak() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def run_outage() -> list[Row]:
    """Give the rows of callers who wait while the endpoint answers 500, beside one request to it."""
    single, rows = list[float](), list[Row]()
    for keeper in (VENDORAUTH, *PEERS):
        pairs, requests = alone(_outage, keeper)
        single += [one for _, one in pairs]
        rows.append(paired(keeper.name, pairs, how=keeper.how, requests=requests))
    return [reference_row("one request", single, how="POST by hand", requests=1.0), *rows]


def _outage(keeper: Keeper) -> tuple[list[tuple[float, float]], float]:
    """Give the ms until everybody was told, each with what one request took; and the most requests."""
    with server(issue) as (pipe, url):
        return asyncio.run(_outages(Stage(pipe, url), keeper))


async def _outages(stage: Stage, keeper: Keeper) -> tuple[list[tuple[float, float]], float]:
    pairs, requests = list[tuple[float, float]](), list[int]()
    async with _single(stage.url) as ask:
        await ask()
        for _ in range(keeper.rounds):
            told, seen = await crowd_at_expiry(stage, keeper, WAITERS, status=SERVER_ERROR, delay=TAKES)
            assert told.failed == WAITERS, f"{keeper.name}: {told}"
            stage.order(status=SERVER_ERROR, delay=TAKES)
            pairs.append((told.seconds * 1000, (await at_once(ask, 1)).seconds * 1000))
            requests.append(seen.renewals)
    return pairs, statistics.median(requests)


@asynccontextmanager
async def _single(url: str) -> AsyncGenerator[Operation]:
    async with aiohttp.ClientSession() as session:

        async def ask() -> Any:
            async with session.post(url + TOKEN_PATH, data=b"{}") as response:
                return await response.read()

        yield ask
