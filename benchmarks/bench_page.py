"""Measure what it costs to make typed objects of a page, beside making dicts of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import cattrs
import msgspec
import orjson
from answering import answer
from measuring import (
    FINE_ROUNDS,
    ROUNDS,
    Operation,
    Row,
    compare,
    compare_awaited,
    processor_time,
    reference_row,
    server,
    settled,
)
from oauth import token
from page import OurPage, PlainPage, page, pydantic_page

from vendorauth import ApiResponse, MemoryTokenStore, ProGloveClient, Response

REFERENCE: Final = "orjson, dicts"
BLOCK: Final = 0.05
"""Seconds of processor time that a block takes."""

Make = Callable[[], object]


def run() -> list[Row]:
    """Give the rows."""
    body, taken = page(), list[float]()
    dicts = _sample(lambda: orjson.loads(body))

    def beside() -> float:
        taken.append(dicts())
        return taken[-1]

    with settled():
        rows = [
            compare(name, _sample(make), beside, rounds=FINE_ROUNDS if name == "vendorauth" else ROUNDS, how=how)
            for name, make, how in _makers(body)
        ]
    with server(answer, body) as (_, url):
        rows.append(asyncio.run(_through_the_client(url)))
    return [reference_row(REFERENCE, taken, how="`orjson.loads(body)`"), *rows]


def _makers(body: bytes) -> list[tuple[str, Make, str]]:
    decoder = msgspec.json.Decoder(PlainPage)
    pydantic = pydantic_page()
    plain, detailed = cattrs.Converter(detailed_validation=False), cattrs.Converter()
    return [
        ("msgspec", lambda: decoder.decode(body), "`Decoder(type)` of attrs classes; drops unknown fields"),
        (
            "vendorauth",
            lambda: ApiResponse(Response(200, body=body), "GET /events").json(OurPage),
            "what `await client.get(path, model=...)` does with the body",
        ),
        ("pydantic", lambda: pydantic.model_validate_json(body), '`model_validate_json(body)` with `extra="allow"`'),
        (
            "cattrs",
            lambda: plain.structure(orjson.loads(body), PlainPage),
            "orjson, then `Converter(detailed_validation=False)`; drops unknown fields",
        ),
        (
            "cattrs, detailed",
            lambda: detailed.structure(orjson.loads(body), PlainPage),
            "orjson, then `Converter()`; drops unknown fields",
        ),
    ]


def _sample(make: Make) -> Callable[[], float]:
    once = _milliseconds(make, 3)
    number = max(int(BLOCK * 1000 / once), 3)
    return lambda: _milliseconds(make, number)


def _milliseconds(make: Make, number: int) -> float:
    begun = time.process_time()
    for _ in range(number):
        make()
    return (time.process_time() - begun) / number * 1000


async def _through_the_client(url: str) -> Row:
    """Measure the whole way with this package's client, requests included, beside aiohttp and orjson."""
    store = MemoryTokenStore()
    await store.save("bench", token())
    client = ProGloveClient(url, "demo0001", account="bench", store=store)
    async with client, aiohttp.ClientSession() as session:

        async def ours() -> Any:
            return [event async for event in client.events()]

        async def bare() -> Any:
            async with session.get(url) as response:
                return orjson.loads(await response.read())

        await asyncio.gather(ours(), bare())
        return await compare_awaited(
            "vendorauth, with its GET",
            lambda: _milliseconds_awaited(ours),
            lambda: _milliseconds_awaited(bare),
            how="`async for event in client.events()`; the ratio is to a GET with aiohttp and orjson",
        )


async def _milliseconds_awaited(operation: Operation, number: int = 5) -> float:
    return await processor_time(operation, number, 1) / 1000
