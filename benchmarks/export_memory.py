"""
Measure how much memory a million events take, gone through and exported: ``python benchmarks/export_memory.py [EVENTS]``.

A process of its own does each: it goes through `events`, or is the whole of `vendorauth export`, with its state, its data
synced part by part, and the rename at the end. All come over HTTP from a fake in another process, 500 with a request.
Needs Linux, which tells a process's own peak.
"""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias
from urllib.parse import parse_qs, quote

import attrs
import msgspec

from vendorauth import PasswordCredentials, ProGloveClient
from vendorauth.cli.exporting import Order, export
from vendorauth.cli.profiles import Profile, save_profile
from vendorauth.testing import FakeProGlove
from vendorauth.tokens import JSON

Where: TypeAlias = tuple[str, str, str, str, str]

PAGE: Final = 500
KIB: Final = 1024
BEGIN_MS: Final = 1_767_225_600_000
APART_MS: Final = 1_000
"""An event each second, so that an export asks for a million of them in 100 parts."""
CONTEXT: Final = multiprocessing.get_context("spawn")


def serve(events: int, pipe: Connection) -> None:
    """Be a vendor with so many events, in a process of its own, until somebody says that it is enough."""
    asyncio.run(_serve(events, pipe))


async def _serve(events: int, pipe: Connection) -> None:
    async with FakeProGlove() as fake:
        fake.events = []

        def page(answer: JSON) -> JSON:
            asked = parse_qs(fake.requests.pop().query)
            fake.requests.clear()
            begin, end = _asked_for(asked, events)
            token = quote(base64.b64encode(f"?offset={begin + PAGE}>".encode()), safe="")
            items = [_event(i) for i in range(begin, min(begin + PAGE, end))]
            link = f"/events?next_token={token}" if begin + PAGE < end else None
            return msgspec.json.encode({**answer, "items": items, "links": {"next": link}})

        fake.amend("api", page)
        pipe.send((fake.base_url, fake.customer_id, fake.username, fake.password, fake.cognito_url))
        await asyncio.to_thread(pipe.recv)


def _asked_for(query: dict[str, list[str]], events: int) -> tuple[int, int]:
    """Give the number of the first event that comes now, and of the first one that does not belong to the list."""
    first, end = 0, events
    if "start_time_millis" in query:
        first = -(-(int(query["start_time_millis"][0]) - BEGIN_MS) // APART_MS)
        end = min(events, (int(query["end_time_millis"][0]) - BEGIN_MS) // APART_MS + 1)
    if "next_token" in query:
        first = int(base64.b64decode(query["next_token"][0]).decode().removeprefix("?offset=").removesuffix(">"))
    return first, end


def _event(number: int) -> JSON:
    created = BEGIN_MS + number * APART_MS
    return {"id": f"e{number}", "type": "scan", "created": created, "scan_code": str(number), "note": "x" * 200}


def peak() -> float:
    """Give the most resident memory that this process has had, in MiB; what getrusage() gives begins with its parent's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / KIB for line in lines if line.startswith("VmHWM:"))


@attrs.define
class Meter:
    """Print the most memory that this process has had so far, at every tenth of so many *events*."""

    what: str
    events: int
    begun: float = attrs.field(factory=time.perf_counter)
    told: int = 0

    def see(self, count: int) -> None:
        """Know that *count* events have come."""
        if count * 10 // self.events > self.told:
            self.told = count * 10 // self.events
            rate = count / (time.perf_counter() - self.begun)
            print(f"{self.what:<8}{count:>10,} events  {peak():6.1f} MiB at most  {rate:9,.0f} events/s", flush=True)


def iterate(where: Where, events: int, _: Path) -> None:
    """Go through all of them."""
    asyncio.run(_iterate(where, Meter("iterate", events)))


async def _iterate(where: Where, meter: Meter) -> None:
    base_url, customer_id, username, password, cognito_url = where
    credentials = PasswordCredentials(username, password)
    count = 0
    async with ProGloveClient(base_url, customer_id, credentials, cognito_url=cognito_url) as client:
        async for _ in client.events():
            count += 1
            meter.see(count)
    assert meter.events == count


def export_to(where: Where, events: int, out: Path) -> None:
    """Export all of them into the file *out*, as the command does."""
    base_url, customer_id, username, password, cognito_url = where
    for name, value in (("CONFIG", "profiles.toml"), ("STATE", "state")):
        os.environ[f"VENDORAUTH_{name}"] = str(out.parent / value)
    os.environ["VENDORAUTH_W_PASSWORD"] = password
    profile = Profile(
        vendor="proglove",
        base_url=base_url,
        customer_id=customer_id,
        username=username,
        cognito_url=cognito_url,
        store="file",
    )
    save_profile("w", profile)
    since, until = (datetime.fromtimestamp((BEGIN_MS + i * APART_MS) / 1000, UTC).isoformat() for i in (0, events))
    order = Order(resource="events", since=since, until=until, gateway=None, out=out, restart=False)
    meter = Meter(out.suffix, events)
    done = export("w", order, lambda _, count: meter.see(count), lambda *_: None)
    assert events == done.events
    print(f"{out.stat().st_size / KIB / KIB:,.0f} MiB are in the file")


@contextmanager
def vendor(events: int) -> Generator[Where]:
    """Run the fake."""
    here, there = multiprocessing.Pipe()
    server = CONTEXT.Process(target=serve, args=(events, there))
    server.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        server.join()


def main(events: int) -> None:
    """Do each in a process of its own, one after the other."""
    print(f"{'':<8}{'this process alone':<17}  {peak():6.1f} MiB at most", flush=True)
    jobs = ((iterate, "nowhere"), (export_to, "events.ndjson"), (export_to, "events.csv"))
    with vendor(events) as where, TemporaryDirectory() as folder:
        for job, out in jobs:
            process = CONTEXT.Process(target=job, args=(where, events, Path(folder) / out))
            process.start()
            process.join()
            assert process.exitcode == 0


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
