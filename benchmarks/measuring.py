"""Measure contenders against a reference: what a measure is, how it is taken, what it gives."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pkgutil import resolve_name
from typing import Any, Final, Literal, TypeAlias

import attrs

CLIENT_CORE: Final = 0
SERVER_CORE: Final = 1
ROUNDS: Final = 9
"""Pairs of blocks that show a difference of 10 % and more."""
FINE_ROUNDS: Final = 41
"""Pairs of blocks for smaller differences."""


@attrs.frozen
class Row:
    """
    Be what was measured of one contender.

    *how*: how it is used, and where its documentation says so. *value*: the median, in the measure's unit. *ratio*: the
    median of the ratios to the reference of the same pair, *spread* their quartiles. *more*: other columns, by name.
    """

    name: str
    value: float
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    how: str = ""
    more: Mapping[str, float | str] = attrs.field(factory=dict[str, float | str])

    def figure(self, column: str) -> float | str | None:
        """Give what stands in *column*: ``value``, ``ratio``, or one of *more*."""
        given: Any = {"value": self.value, "ratio": self.ratio, **self.more}.get(column)
        return given if isinstance(given, str) or given is None else float(given)


@attrs.frozen
class Goal:
    """Want at most *most* in the *column* of the contender called *row*."""

    row: str
    most: float
    column: str = "ratio"

    def reached(self, rows: Iterable[Row]) -> bool:
        """Tell whether *rows* have it."""
        (figure,) = [row.figure(self.column) for row in rows if row.name == self.row]
        return isinstance(figure, float) and figure <= self.most

    def __str__(self) -> str:
        return f"{self.row}: {self.column} <= {self.most:g}"


@attrs.frozen
class Measure:
    """
    Be one comparison.

    *reference*: the row that has the ratio 1. *run*: where the function stands that gives the rows, such as
    ``bench_get:run``; it is imported and called in a process of its own, pinned to `CLIENT_CORE`. *packages*: those whose
    versions matter, Python aside. *scale*: the plot's axis.
    """

    name: str
    title: str
    reference: str
    unit: str
    goals: Sequence[Goal]
    run: str
    packages: Sequence[str] = ()
    scale: Literal["linear", "log"] = "linear"

    def rows(self) -> list[Row]:
        """Run it here."""
        run: Callable[[], list[Row]] = resolve_name(self.run)
        return run()


Sample: TypeAlias = Callable[[], float]
"""Run a block, and give what one operation took."""


def compare(name: str, sample: Sample, reference: Sample, *, rounds: int = ROUNDS, how: str = "") -> Row:
    """Take *sample* and *reference* by turns, *rounds* times, and whichever was second first the next time."""
    pairs = list[tuple[float, float]]()
    for turn in range(rounds):
        if turn % 2:
            other, one = reference(), sample()
        else:
            one, other = sample(), reference()
        pairs.append((one, other))
    return paired(name, pairs, how=how)


async def compare_awaited(
    name: str,
    sample: Callable[[], Awaitable[float]],
    reference: Callable[[], Awaitable[float]],
    *,
    rounds: int = ROUNDS,
    how: str = "",
) -> Row:
    """Do what `compare` does with samples that are awaited."""
    pairs = list[tuple[float, float]]()
    for turn in range(rounds):
        if turn % 2:
            other, one = await reference(), await sample()
        else:
            one, other = await sample(), await reference()
        pairs.append((one, other))
    return paired(name, pairs, how=how)


def paired(name: str, pairs: Sequence[tuple[float, float]], *, how: str = "", **more: float | str) -> Row:
    """Make a row of *pairs*: what the contender took, and what the reference took beside it."""
    ratios = [one / other for one, other in pairs]
    low, middle, high = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Row(
        name,
        value=statistics.median(one for one, _ in pairs),
        ratio=middle,
        spread=(low, high),
        how=how,
        more=more,
    )


def reference_row(name: str, values: Sequence[float], *, how: str = "", **more: float | str) -> Row:
    """Make the reference's row of its *values*."""
    return Row(name, statistics.median(values), 1.0, how=how, more=more)


@contextmanager
def settled() -> Iterator[None]:
    """Keep what was made up to now out of the garbage collector's sight, which runs as usual for the rest."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def pin(core: int) -> None:
    """Keep this process on *core*, where there are several and the system can do it."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


Serve: TypeAlias = Callable[..., Awaitable[None]]
"""Send the address, or whatever the client has to know first, through the pipe; return when something comes back."""


@contextmanager
def server(serve: Serve, *arguments: Any) -> Iterator[tuple[Connection, Any]]:
    """Run ``serve(pipe, *arguments)`` in a process of its own on `SERVER_CORE`; give the pipe, and the first it sends."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(serve, theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours, ours.recv()
    finally:
        ours.send(None)
        process.join(5)
        process.terminate()
        process.join()


def _serve(serve: Callable[..., Any], pipe: Connection, *arguments: Any) -> None:
    pin(SERVER_CORE)
    asyncio.run(serve(pipe, *arguments))


async def told_to_end(pipe: Connection) -> Any:
    """Wait until something comes through *pipe*, and give it, while the event loop goes on."""
    return await asyncio.to_thread(pipe.recv)


Operation: TypeAlias = Callable[[], Awaitable[object]]


@attrs.frozen
class Contender:
    """
    Be one way of doing the same thing.

    *opened*: given the address, gives what does it once, while it is entered.
    """

    name: str
    how: str
    opened: Callable[[str], AbstractAsyncContextManager[Operation]]
    rounds: int = ROUNDS


async def processor_time(operation: Operation, number: int, concurrency: int) -> float:
    """Do *operation* *number* times, *concurrency* at once, and give the processor time of each in µs."""

    async def worker() -> None:
        for _ in range(number // concurrency):
            await operation()

    begun = time.process_time()
    await asyncio.gather(*[worker() for _ in range(concurrency)])
    return (time.process_time() - begun) / (number // concurrency * concurrency) * 1e6


async def number_within(operation: Operation, seconds: float, concurrency: int) -> int:
    """Say how many of *operation* fill *seconds* of processor time; run some to warm it up."""
    await processor_time(operation, 2 * concurrency, concurrency)
    microseconds = await processor_time(operation, 2 * concurrency, concurrency)
    return max(int(seconds * 1e6 / microseconds), concurrency)


def machine() -> str:
    """Name the machine: cores, processor, system."""
    return f"{os.cpu_count()} cores, {_processor()}{platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  no file
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        return ""
    return f"{names[0]}, " if names else ""


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of Python and of those *packages* that are installed."""
    found = {"Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
