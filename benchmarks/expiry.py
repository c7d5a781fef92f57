"""Compare how long requests take while a token expires: 200 in a second, and a renewal takes 300 ms."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from typing import Final

import attrs
from authority import issue
from keepers import BARE, PEERS
from measuring import Row, paired, reference_row, server
from scenes import VENDORAUTH, Keeper, Stage, alone, load_at_expiry, load_with_token

CALM: Final = "no expiry"
"""The reference of every client is its own load without one; this row is bare aiohttp's."""
PER_SECOND: Final = 200
TAKES: Final = 0.3
LONG: Final = 50.0
"""Milliseconds that a caller notices."""


@attrs.frozen
class Latencies:
    """Sum up latencies, in ms; *long*: the part of them over 50 ms, in %."""

    p50: float
    p99: float
    most: float
    long: float


def summed_up(seconds: Sequence[float]) -> Latencies:
    """Sum up *seconds*."""
    taken = sorted(one * 1000 for one in seconds)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Latencies(cuts[49], cuts[98], taken[-1], 100 * sum(one > LONG for one in taken) / len(taken))


def run() -> list[Row]:
    """Give the rows, of p99 across an expiry beside p99 without one; each client has a process of its own."""
    bare = alone(_without, BARE)
    rows = [reference_row(CALM, [one.p99 for one in bare], how=BARE.how, **_columns(bare))]
    for keeper in (VENDORAUTH, *PEERS):
        pairs, renewals = alone(_across, keeper)
        columns = _columns([across for across, _ in pairs])
        p99s = [(across.p99, without.p99) for across, without in pairs]
        rows.append(paired(keeper.name, p99s, how=keeper.how, **columns, renewals=renewals))
    return rows


def _columns(rounds: Sequence[Latencies]) -> dict[str, float]:
    return {
        "p99 / p50": statistics.median(one.p99 / one.p50 for one in rounds),
        "p50": statistics.median(one.p50 for one in rounds),
        "max": statistics.median(one.most for one in rounds),
        "% over 50 ms": statistics.median(one.long for one in rounds),
    }


def _without(keeper: Keeper) -> list[Latencies]:
    async def loads(stage: Stage) -> list[Latencies]:
        return [summed_up(await load_with_token(stage, keeper, PER_SECOND)) for _ in range(keeper.rounds)]

    with server(issue) as (pipe, url):
        return asyncio.run(loads(Stage(pipe, url)))


def _across(keeper: Keeper) -> tuple[list[tuple[Latencies, Latencies]], float]:
    """Give what was measured across an expiry, with what was measured without one beside it; and the renewals."""
    with server(issue) as (pipe, url):
        return asyncio.run(_loads(Stage(pipe, url), keeper))


async def _loads(stage: Stage, keeper: Keeper) -> tuple[list[tuple[Latencies, Latencies]], float]:
    pairs, renewals = list[tuple[Latencies, Latencies]](), list[int]()
    for _ in range(keeper.rounds):
        without = summed_up(await load_with_token(stage, keeper, PER_SECOND))
        across, seen = await load_at_expiry(stage, keeper, PER_SECOND, delay=TAKES)
        pairs.append((summed_up(across), without))
        renewals.append(seen.renewals)
    assert min(renewals) > 0, f"{keeper.name} never renewed"
    return pairs, statistics.median(renewals)
