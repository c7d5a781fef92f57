"""Go through a million events, and measure how much memory that takes: ``python benchmarks/export_memory.py [EVENTS]``."""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import resource
import sys
import time
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import quote

import msgspec

from vendorauth import PasswordCredentials, ProGloveClient
from vendorauth.testing import FakeProGlove
from vendorauth.tokens import JSON

PAGE: Final = 500
MIB: Final = 1024


def serve(events: int, pipe: Connection) -> None:
    """Be a vendor with so many events, in a process of its own, until somebody says that it is enough."""
    asyncio.run(_serve(events, pipe))


async def _serve(events: int, pipe: Connection) -> None:
    pages = iter(range(0, events, PAGE))

    def page(answer: JSON) -> JSON:
        begin = next(pages)
        end = begin + PAGE
        token = quote(base64.b64encode(f"?offset={end}>".encode()), safe="")
        items = [
            {"id": f"e{i}", "type": "scan", "created": 1767225600000 + i, "scan_code": str(i), "note": "x" * 200}
            for i in range(begin, min(end, events))
        ]
        link = f"/events?next_token={token}" if end < events else None
        return msgspec.json.encode({**answer, "items": items, "links": {"next": link}})

    async with FakeProGlove() as fake:
        fake.events = []
        fake.amend("api", page)
        pipe.send((fake.base_url, fake.customer_id, fake.username, fake.password, fake.cognito_url))
        await asyncio.to_thread(pipe.recv)


async def read(where: tuple[str, str, str, str, str], events: int) -> None:
    """Go through all of them, and print what it took at every tenth."""
    base_url, customer_id, username, password, cognito_url = where
    credentials = PasswordCredentials(username, password)
    count, begun = 0, time.perf_counter()
    async with ProGloveClient(base_url, customer_id, credentials, cognito_url=cognito_url) as client:
        async for _ in client.events():
            count += 1
            if count % (events // 10) == 0:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
                rate = count / (time.perf_counter() - begun)
                print(f"{count:>10,} events  {peak:6.1f} MiB at most  {rate:9,.0f} events/s")
    assert events == count


def main(events: int) -> None:
    """Serve and read."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(events, there))
    server.start()
    try:
        asyncio.run(read(here.recv(), events))
    finally:
        here.send(None)
        server.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
