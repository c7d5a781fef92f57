"""
Hold 500 requests per second for many minutes against vendors that fail at random, with tokens of five seconds.

``nox -s soak`` runs it for 20 minutes, ``nox -s soak -- 2`` for two. It fails when a request fails that was not meant to.
Results go to ``benchmarks/results/soak.json``, the plot to ``docs/explanation/soak.svg``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs
import msgspec
import psutil
from chaos import VISIBLE, serve
from histogram import Histogram
from plots import soak_plot

from vendorauth import (
    FileTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    RefreshPolicy,
    VendorAuthError,
)

RATE: Final = 500
"""Requests per second, half of them to each vendor."""
CALM: Final = 2.0
TICK: Final = 0.01
MOST_GROWTH: Final = 2.0
"""Megabytes per hour of resident memory that are no growth yet: an allocator's pages come and go."""
WARM_UP: Final = 0.5
"""The part of the run that the memory's slope leaves out."""
MOST_SOCKETS: Final = 230
"""Two pools of a hundred connections each, which a burst of slow answers may fill, and what else is open."""
POLICY: Final = RefreshPolicy(ahead=0.4, backoff=(0.05, 1.0))
"""For tokens of five seconds, time to fail once and try again."""
HERE: Final = Path(__file__).parent

Request = Callable[[], Awaitable[object]]


@attrs.define
class Tally:
    """Count what became of the requests, and sample this process once a second."""

    sent: int = 0
    failed: Counter[str] = attrs.field(factory=Counter)
    latency: Histogram = attrs.field(factory=Histogram)
    lag: Histogram = attrs.field(factory=Histogram)
    samples: list[tuple[float, float, int, int, float]] = attrs.field(factory=list)
    """Seconds since the start, resident megabytes, tasks, open files and sockets, the second's worst lag in ms."""


async def _ask(request: Request, tally: Tally) -> None:
    begun = time.perf_counter()
    try:
        await request()
    except VendorAuthError as error:
        tally.failed[type(error).__name__] += 1
    tally.latency.add(time.perf_counter() - begun)


async def _load(requests: list[Request], seconds: float, tally: Tally) -> None:
    """Send at a steady rate, whether or not the earlier ones are answered."""
    loop, under_way = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    turns, begun, before = itertools.cycle(requests), loop.time(), tally.sent
    while (elapsed := loop.time() - begun) < seconds:
        while tally.sent - before < elapsed * RATE:
            task = loop.create_task(_ask(next(turns), tally))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            tally.sent += 1
        await asyncio.sleep(1 / RATE)
    if under_way:
        await asyncio.wait(under_way)


async def _watch(tally: Tally) -> None:
    """Measure how late the loop is a hundred times a second, and sample the process each second."""
    loop, process = asyncio.get_running_loop(), psutil.Process()
    begun = loop.time()
    worst, next_sample = 0.0, begun + 1.0
    while True:
        due = loop.time() + TICK
        await asyncio.sleep(TICK)
        late = loop.time() - due
        tally.lag.add(late)
        worst = max(worst, late)
        if due >= next_sample:
            tally.samples.append(
                (
                    round(due - begun, 1),
                    round(process.memory_info().rss / 2**20, 3),
                    len(asyncio.all_tasks()),
                    process.num_fds(),
                    round(worst * 1000, 2),
                )
            )
            worst, next_sample = 0.0, next_sample + 1.0


async def _soak(server: Connection, seconds: float) -> Tally:
    proglove_at, protogrid_at = server.recv()
    tally = Tally()
    async with AsyncExitStack() as stack:
        store = FileTokenStore(stack.enter_context(tempfile.TemporaryDirectory()))
        proglove = await stack.enter_async_context(
            ProGloveClient(
                proglove_at.base_url,
                proglove_at.customer_id,
                PasswordCredentials(proglove_at.username, proglove_at.password),
                cognito_url=proglove_at.login_url,
                store=store,
                policy=POLICY,
            )
        )
        protogrid = await stack.enter_async_context(
            ProtogridClient(
                protogrid_at.base_url,
                PasswordCredentials(protogrid_at.username, protogrid_at.password),
                store=store,
                policy=POLICY,
            )
        )
        watch = asyncio.create_task(_watch(tally))
        requests: list[Request] = [
            lambda: proglove.get("/{customer_id}/features"),
            lambda: protogrid.get("/api/v2/apps"),
        ]
        await _load(requests, seconds, tally)
        server.send("be good")
        await _load(requests, CALM, tally)  # whatever fault was still to come comes now
        watch.cancel()
    return tally


def _slope(samples: list[tuple[float, float, int, int, float]]) -> float:
    """Fit a line to the memory after the warm-up: megabytes per hour."""
    settled = samples[int(len(samples) * WARM_UP) :]
    return statistics.linear_regression([one[0] for one in settled], [one[1] for one in settled]).slope * 3600


def _medians(samples: list[tuple[float, float, int, int, float]], column: int) -> tuple[float, float]:
    """Give the median of the second quarter of the run, and of the last."""
    numbers, quarter = [sample[column] for sample in samples], len(samples) // 4
    return statistics.median(numbers[quarter : 2 * quarter]), statistics.median(numbers[3 * quarter :])


def _median_and_most(numbers: list[int]) -> tuple[float, int]:
    return statistics.median(numbers), max(numbers)


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def _serve_pinned(pipe: Connection, seed: int) -> None:
    _pin(1)
    serve(pipe, seed)


def run(minutes: float, seed: int) -> dict[str, Any]:
    """Run server and client, each on a core of its own, and give the figures."""
    ours, theirs = get_context("spawn").Pipe()
    server = get_context("spawn").Process(target=_serve_pinned, args=(theirs, seed))
    server.start()
    try:
        _pin(0)
        tally = asyncio.run(_soak(ours, minutes * 60))
        ours.send("count")
        injected, seen = ours.recv()
        ours.send("end")
    finally:
        server.join(10)
        server.terminate()
    return {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), "aiohttp": aiohttp.__version__},
        "minutes": minutes,
        "seed": seed,
        "requests": tally.sent,
        "per_second": round(tally.sent / (minutes * 60 + CALM), 1),
        "failed": dict(tally.failed),
        "injected": dict(sorted(injected.items())),
        "seen_by_the_vendors": seen,
        "latency_ms": tally.latency.summary(),
        "loop_lag_ms": tally.lag.summary(),
        "tasks": _medians(tally.samples, 2),
        "sockets": _median_and_most([sample[3] for sample in tally.samples]),
        "memory_mb_per_hour": round(_slope(tally.samples), 3),
        "samples": tally.samples,
    }


def _verdict(figures: dict[str, Any]) -> list[str]:
    """Name what broke a promise."""
    wanted = {name: figures["injected"].get(name, 0) for name in VISIBLE}
    complaints = [
        f"{name}: {figures['failed'].get(name, 0)} requests failed, {wanted.get(name, 0)} were meant to"
        for name in {*figures["failed"], *wanted}
        if figures["failed"].get(name, 0) != wanted.get(name, 0)
    ]
    if figures["loop_lag_ms"]["p99"] >= 5:
        complaints.append("the loop was late by 5 ms or more too often")
    if figures["memory_mb_per_hour"] > MOST_GROWTH:
        complaints.append("memory grows")
    if figures["tasks"][1] > 2 * figures["tasks"][0]:
        complaints.append("the number of tasks grows")
    if figures["sockets"][1] > MOST_SOCKETS:
        complaints.append("more sockets are open than two pools have")
    return complaints


def main() -> None:
    """Soak, print, write, and say by the exit code whether all promises held."""
    figures = run(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0, seed=int(time.time()))
    shown = {name: value for name, value in figures.items() if name != "samples"}
    print(msgspec.json.format(msgspec.json.encode(shown)).decode())
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "soak.json").write_bytes(msgspec.json.encode(figures) + b"\n")
    soak_plot(figures, HERE.parent / "docs" / "explanation" / "soak.svg")
    complaints = _verdict(figures)
    sys.exit("\n".join(complaints) or None)


if __name__ == "__main__":
    main()
