"""Measure the processor time of authenticated GETs, client by client, beside bare aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop
from answering import SMALL, answer
from clients import AT_ONCE, CONTENDERS, REFERENCE
from measuring import (
    Contender,
    Operation,
    Row,
    compare_awaited,
    number_within,
    processor_time,
    reference_row,
    server,
    settled,
)

BLOCK: Final = 0.08
"""Seconds of processor time that a block takes."""


def run() -> list[Row]:
    """Give the rows on asyncio's own event loop."""
    with server(answer, SMALL) as (_, url):
        return asyncio.run(_rows(url))


def run_on_uvloop() -> list[Row]:
    """Give the rows on uvloop."""
    with server(answer, SMALL) as (_, url):
        return uvloop.run(_rows(url))


async def _rows(url: str) -> list[Row]:
    rows, taken = list[Row](), list[float]()
    async with REFERENCE.opened(url) as reference:
        bare = await _block(reference)

        async def beside() -> float:
            taken.append(await bare())
            return taken[-1]

        for contender in CONTENDERS:
            rows.append(await _row(contender, url, beside))
    return [reference_row(REFERENCE.name, taken, how=REFERENCE.how), *rows]


async def _row(contender: Contender, url: str, reference: Callable[[], Awaitable[float]]) -> Row:
    async with contender.opened(url) as operation:
        block = await _block(operation)
        with settled():
            return await compare_awaited(contender.name, block, reference, rounds=contender.rounds, how=contender.how)


async def _block(operation: Operation) -> Callable[[], Awaitable[float]]:
    number = await number_within(operation, BLOCK, AT_ONCE)
    return lambda: processor_time(operation, number, AT_ONCE)
