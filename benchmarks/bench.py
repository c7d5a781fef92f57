"""
Compare this package with bare aiohttp and with other clients that authenticate.

``nox -s bench`` takes all measures, ``nox -s bench -- get token`` two, ``--strict`` fails when a goal is missed. Results go
to ``benchmarks/results/bench/NAME.json``, plots to ``docs/explanation/bench/NAME.svg``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
from measures import MEASURES
from measuring import CLIENT_CORE, Measure, Row, machine, pin, versions

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results" / "bench"
PLOTS: Final = HERE.parent / "docs" / "explanation" / "bench"


def take(measure: Measure) -> dict[str, Any]:
    """Take *measure* in a process of its own, pinned; give what was found, ready to be written."""
    begun, load = time.monotonic(), os.getloadavg()[0]
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=pin, initargs=(CLIENT_CORE,)) as process:
        rows = process.submit(measure.rows).result()
    return figures(measure, rows) | {
        "seconds": round(time.monotonic() - begun),
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def figures(measure: Measure, rows: Sequence[Row]) -> dict[str, Any]:
    """Give *rows* and what *measure* wants of them, with the machine and the versions they hold for."""
    return {
        "name": measure.name,
        "title": measure.title,
        "reference": measure.reference,
        "unit": measure.unit,
        "scale": measure.scale,
        "machine": machine(),
        "versions": versions(measure.packages),
        "rows": [_rounded(row) for row in rows],
        "goals": [attrs.asdict(goal) | {"reached": goal.reached(rows)} for goal in measure.goals],
    }


def _rounded(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "how": row.how,
        "value": significant(row.value),
        "ratio": row.ratio if row.ratio is None else significant(row.ratio),
        "spread": row.spread and [significant(one) for one in row.spread],
        "more": {key: one if isinstance(one, str) else significant(one) for key, one in row.more.items()},
    }


def significant(number: float) -> float:
    """Round to four significant digits."""
    return float(f"{number:.4g}")


def table(found: dict[str, Any]) -> str:
    """Write what was found for a terminal."""
    columns = list(dict.fromkeys(column for row in found["rows"] for column in row["more"]))
    width = max(len(row["name"]) for row in found["rows"])
    head = f"{'':{width}}  {found['unit']:>10}  {'ratio':>7}  {'quartiles':>15}"
    lines = [f"{found['name']}: {found['title']}", head + "".join(f"  {column:>14}" for column in columns)]
    for row in found["rows"]:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3g}"
        spread = "" if row["spread"] is None else "{:.3g} to {:.3g}".format(*row["spread"])
        line = f"{row['name']:{width}}  {row['value']:>10.4g}  {ratio:>7}  {spread:>15}"
        lines.append(line + "".join(f"  {row['more'].get(column, '')!s:>14}" for column in columns))
    lines += [f"goal {_goal(goal)}: {'reached' if goal['reached'] else 'missed'}" for goal in found["goals"]]
    return "\n".join(lines)


def _goal(goal: dict[str, Any]) -> str:
    return "{row}: {column} at most {most:g}".format(**goal)


def missed(found: dict[str, Any]) -> list[str]:
    """Name the goals that were not reached."""
    return [f"{found['name']}: {_goal(goal)}" for goal in found["goals"] if not goal["reached"]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the measures that are named, or all; print, write, draw; with ``--strict``, say by the exit code what was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(MEASURES)}")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in MEASURES]:
        parser.error(f"no such measure: {', '.join(unknown)}")
    from plots import bench_plot  # noqa: PLC0415  the processes that measure import this file, and need no matplotlib

    RESULTS.mkdir(parents=True, exist_ok=True)
    PLOTS.mkdir(parents=True, exist_ok=True)
    complaints = list[str]()
    for name in given.names or MEASURES:
        found = take(MEASURES[name])
        complaints += missed(found)
        print(table(found), f"({found['seconds']} s)\n", sep="\n", flush=True)
        (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        bench_plot(found, PLOTS / f"{name}.svg")
    sys.exit("\n".join(complaints) if given.strict else None)


if __name__ == "__main__":
    main()
